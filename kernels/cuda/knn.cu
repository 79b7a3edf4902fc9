// Exact k-nearest-neighbour search: select candidates by rounded scores, then rank them exactly.
//
// A block owns a row and selects the smallest of its keys in a buffer of SIZE keys: at its start
// those selected so far, sorted, and behind them new keys that are smaller than the largest of
// these. When the buffer is full, all are sorted and the smallest stay. Keys are ordered by score,
// then by column, so that which thread came first decides nothing.

typedef long long int64;

// REAL, of products, points or entries; SIZE, a power of two; SHARED, SIZE where a block's buffer is
// in shared memory, else 1; THREADS of a block; EACH, columns that a thread loads together;
// THREADS_PER_CANDIDATE, of a distance; SIDE of a square: all set by kernels/gpu/knn.py.

template <class Score> struct alignas(2 * sizeof(Score)) Key {  // so that it moves as a whole
    Score score;
    int column;
};

template <class Score> __device__ bool before(Key<Score> a, Key<Score> b) {
    return a.score < b.score || (a.score == b.score && a.column < b.column);
}

// The `count` smallest keys of a row, as every thread of its block sees them.
template <class Score> struct Selection {
    Key<Score>* keys;  // SIZE of them: first `count` selected ones, then new ones
    int count;
    int* inserted;  // in shared memory: new keys, those that did not fit included
    Key<Score> largest;
};

// Sort all keys by the bitonic network of Batcher (1968); the first `count` stay selected.
template <class Score> __device__ void sort_keys(Selection<Score>& selection) {
    Key<Score>* keys = selection.keys;
    int used = selection.count + min(*selection.inserted, SIZE - selection.count);
    for (int slot = used + threadIdx.x; slot < SIZE; slot += THREADS) keys[slot] = selection.largest;
    for (int size = 2; size <= SIZE; size *= 2) {
        for (int stride = size / 2; stride > 0; stride /= 2) {
            __syncthreads();
            for (int pair = threadIdx.x; pair < SIZE / 2; pair += THREADS) {
                int i = 2 * pair - (pair & (stride - 1)), j = i + stride;
                Key<Score> a = keys[i], b = keys[j];
                if (before(b, a) == ((i & size) == 0)) {
                    keys[i] = b;
                    keys[j] = a;
                }
            }
        }
    }
    if (threadIdx.x == 0) *selection.inserted = 0;
    __syncthreads();
    selection.largest = keys[selection.count - 1];
}

// Insert the keys of all threads together; `largest` stands for none.
template <class Score, int N>
__device__ void insert(Selection<Score>& selection, Key<Score> (&fresh)[N]) {
    int places = SIZE - selection.count;
    for (;;) {
#pragma unroll
        for (int u = 0; u < N; u++) {
            if (!before(fresh[u], selection.largest)) continue;
            int place = atomicAdd(selection.inserted, 1);
            if (place >= places) continue;
            selection.keys[selection.count + place] = fresh[u];
            fresh[u] = selection.largest;
        }
        __syncthreads();
        bool all = *selection.inserted <= places;
        __syncthreads();
        if (all) return;
        sort_keys(selection);
    }
}

// Select, for each row, the m columns of smallest half_norms[j] - products[i, j].
extern "C" __global__ void keep_nearest(
    const REAL* __restrict__ products,  // (b, c)
    const REAL* __restrict__ half_norms, int64 first_column, int64 b, int64 c,
    REAL* __restrict__ values,  // (b, m), descending as the columns that they belong to
    int* __restrict__ columns, int64 m, Key<REAL>* scratch)
{
    __shared__ Key<REAL> shared[SHARED];
    __shared__ int inserted;
    Key<REAL>* keys = SHARED == SIZE ? shared : scratch + (int64)blockIdx.x * SIZE;
    for (int64 i = blockIdx.x; i < b; i += gridDim.x) {
        for (int64 s = threadIdx.x; s < m; s += THREADS) {
            keys[m - 1 - s] = Key<REAL>{values[i * m + s], columns[i * m + s]};
        }
        if (threadIdx.x == 0) inserted = 0;
        __syncthreads();
        Selection<REAL> selection{keys, (int)m, &inserted, keys[m - 1]};
        for (int64 first = 0; first < c; first += THREADS * EACH) {
            Key<REAL> fresh[EACH];
#pragma unroll
            for (int u = 0; u < EACH; u++) {
                int64 j = first + u * THREADS + threadIdx.x;
                fresh[u] = selection.largest;
                if (j >= c) continue;
                fresh[u] = Key<REAL>{half_norms[j] - products[i * c + j], (int)(first_column + j)};
            }
            insert(selection, fresh);
        }
        sort_keys(selection);
        for (int64 s = threadIdx.x; s < m; s += THREADS) {
            values[i * m + s] = keys[m - 1 - s].score;
            columns[i * m + s] = keys[m - 1 - s].column;
        }
        __syncthreads();
    }
}

// Sum `mine` over the threads of a candidate; each of them gets the result.
__device__ double candidate_sum(double mine) {
    __shared__ double parts[THREADS];
    int part = threadIdx.x % THREADS_PER_CANDIDATE;
    parts[threadIdx.x] = mine;
    for (int half = THREADS_PER_CANDIDATE / 2; half > 0; half /= 2) {
        __syncthreads();
        if (part < half) parts[threadIdx.x] += parts[threadIdx.x + half];
    }
    __syncthreads();
    double sum = parts[threadIdx.x - part];
    __syncthreads();
    return sum;
}

// Sort the candidates of each requested row by squared distance and return the first k.
extern "C" __global__ void rank_candidates(
    const REAL* __restrict__ X,  // (n, d)
    const int64* __restrict__ rows, const int64* __restrict__ starts,
    const int* __restrict__ candidates, int64 r, int64 d, int64 k, double infinity,
    int* __restrict__ indices, double* __restrict__ squared,  // (r, k)
    Key<double>* scratch)
{
    __shared__ Key<double> shared[SHARED];
    __shared__ int inserted;
    Key<double>* keys = SHARED == SIZE ? shared : scratch + (int64)blockIdx.x * SIZE;
    int part = threadIdx.x % THREADS_PER_CANDIDATE;
    for (int64 row = blockIdx.x; row < r; row += gridDim.x) {
        for (int64 s = threadIdx.x; s < k; s += THREADS) keys[s] = Key<double>{infinity, 2147483647};
        if (threadIdx.x == 0) inserted = 0;
        __syncthreads();
        Selection<double> selection{keys, (int)k, &inserted, keys[k - 1]};
        const REAL* x = X + rows[row] * d;
        int64 end = starts[row + 1];
        for (int64 first = starts[row]; first < end; first += THREADS / THREADS_PER_CANDIDATE) {
            int64 c = first + threadIdx.x / THREADS_PER_CANDIDATE;
            bool there = c < end;
            int column = candidates[there ? c : first];
            const REAL* y = X + column * d;
            double sum = 0;
#pragma unroll 4
            for (int64 f = part; f < d; f += THREADS_PER_CANDIDATE) {
                double difference = (double)x[f] - (double)y[f];
                sum += difference * difference;
            }
            sum = candidate_sum(sum);
            Key<double> fresh[1] = {selection.largest};
            if (there && part == 0) fresh[0] = Key<double>{sum, column};
            insert(selection, fresh);
        }
        sort_keys(selection);
        for (int64 s = threadIdx.x; s < k; s += THREADS) {
            indices[row * k + s] = keys[s].column;
            squared[row * k + s] = keys[s].score;
        }
        __syncthreads();
    }
}

// A copy of A.T: a block reads a square by its rows and writes it by its columns.
extern "C" __global__ void transpose(
    const REAL* __restrict__ A, int64 rows, int64 columns, REAL* __restrict__ out)
{
    __shared__ REAL square[SIDE][SIDE + 1];  // one more: columns lie in different banks
    int64 left = (int64)blockIdx.x * SIDE, top = (int64)blockIdx.y * SIDE;
    int x = threadIdx.x % SIDE;
    for (int y = threadIdx.x / SIDE; y < SIDE; y += THREADS / SIDE) {
        if (top + y < rows && left + x < columns) square[y][x] = A[(top + y) * columns + left + x];
    }
    __syncthreads();
    for (int y = threadIdx.x / SIDE; y < SIDE; y += THREADS / SIDE) {
        if (left + y < columns && top + x < rows) out[(left + y) * rows + top + x] = square[x][y];
    }
}
