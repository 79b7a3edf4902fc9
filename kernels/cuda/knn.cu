// The two loops of the exact neighbour search: select cheaply, then rank truthfully.
//
// A block owns a row and keeps the smallest of the keys that it sees, sorted, where its room of SIZE
// keys begins. Keys smaller than the largest kept gather behind them; when there is no room left,
// all are sorted and the smallest stay. Keys are ordered by score, then by column, so that which
// thread came first decides nothing.

typedef long long int64;

// REAL, of products, points or entries; SIZE, a power of two; SHARED, SIZE where a block's room is
// in shared memory, else 1; THREADS of a block; EACH, columns that a thread looks at together;
// LANES, threads that share a candidate; SIDE of a square: all set by kernels/gpu/knn.py.

template <class Score> struct alignas(2 * sizeof(Score)) Key {  // so that it moves as a whole
    Score score;
    int column;
};

template <class Score> __device__ bool before(Key<Score> a, Key<Score> b) {
    return a.score < b.score || (a.score == b.score && a.column < b.column);
}

// What every thread of a block knows of its keys.
template <class Score> struct Kept {
    Key<Score>* keys;  // SIZE of them: first `count` that are kept, then those that gather
    int count;
    int* gathered;  // in shared memory: those that gather, and those that found no place
    Key<Score> largest;
};

// Sort all keys by the bitonic network of Batcher (1968); the first `count` are kept.
template <class Score> __device__ void settle(Kept<Score>& kept) {
    Key<Score>* keys = kept.keys;
    int used = kept.count + min(*kept.gathered, SIZE - kept.count);
    for (int slot = used + threadIdx.x; slot < SIZE; slot += THREADS) keys[slot] = kept.largest;
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
    if (threadIdx.x == 0) *kept.gathered = 0;
    __syncthreads();
    kept.largest = keys[kept.count - 1];
}

// Take the keys that all threads offer together; `largest` stands for none.
template <class Score, int N>
__device__ void take(Kept<Score>& kept, Key<Score> (&offered)[N]) {
    int places = SIZE - kept.count;
    for (;;) {
#pragma unroll
        for (int u = 0; u < N; u++) {
            if (!before(offered[u], kept.largest)) continue;
            int place = atomicAdd(kept.gathered, 1);
            if (place >= places) continue;
            kept.keys[kept.count + place] = offered[u];
            offered[u] = kept.largest;
        }
        __syncthreads();
        bool all = *kept.gathered <= places;
        __syncthreads();
        if (all) return;
        settle(kept);
    }
}

// Keep, for each row, the m columns of smallest half_norms[j] - products[i, j].
extern "C" __global__ void keep_nearest(
    const REAL* __restrict__ products,  // (b, c)
    const REAL* __restrict__ half_norms, int64 first_column, int64 b, int64 c,
    REAL* __restrict__ values,  // (b, m), descending as the columns that they belong to
    int* __restrict__ columns, int64 m, Key<REAL>* room)
{
    __shared__ Key<REAL> shared[SHARED];
    __shared__ int gathered;
    Key<REAL>* keys = SHARED == SIZE ? shared : room + (int64)blockIdx.x * SIZE;
    for (int64 i = blockIdx.x; i < b; i += gridDim.x) {
        for (int64 s = threadIdx.x; s < m; s += THREADS) {
            keys[m - 1 - s] = Key<REAL>{values[i * m + s], columns[i * m + s]};
        }
        if (threadIdx.x == 0) gathered = 0;
        __syncthreads();
        Kept<REAL> kept{keys, (int)m, &gathered, keys[m - 1]};
        for (int64 first = 0; first < c; first += THREADS * EACH) {
            Key<REAL> offered[EACH];
#pragma unroll
            for (int u = 0; u < EACH; u++) {
                int64 j = first + u * THREADS + threadIdx.x;
                offered[u] = kept.largest;
                if (j >= c) continue;
                offered[u] = Key<REAL>{half_norms[j] - products[i * c + j], (int)(first_column + j)};
            }
            take(kept, offered);
        }
        settle(kept);
        for (int64 s = threadIdx.x; s < m; s += THREADS) {
            values[i * m + s] = keys[m - 1 - s].score;
            columns[i * m + s] = keys[m - 1 - s].column;
        }
        __syncthreads();
    }
}

// Sum `mine` over the LANES threads that share a candidate; each of them gets the result.
__device__ double lanes_sum(double mine) {
    __shared__ double parts[THREADS];
    int lane = threadIdx.x % LANES;
    parts[threadIdx.x] = mine;
    for (int half = LANES / 2; half > 0; half /= 2) {
        __syncthreads();
        if (lane < half) parts[threadIdx.x] += parts[threadIdx.x + half];
    }
    __syncthreads();
    double sum = parts[threadIdx.x - lane];
    __syncthreads();
    return sum;
}

// Sort the candidates of each row asked for by squared distance and keep the first k.
extern "C" __global__ void rank_candidates(
    const REAL* __restrict__ X,  // (n, d)
    const int64* __restrict__ rows, const int64* __restrict__ starts,
    const int* __restrict__ candidates, int64 r, int64 d, int64 k, double infinity,
    int* __restrict__ indices, double* __restrict__ squared,  // (r, k)
    Key<double>* room)
{
    __shared__ Key<double> shared[SHARED];
    __shared__ int gathered;
    Key<double>* keys = SHARED == SIZE ? shared : room + (int64)blockIdx.x * SIZE;
    int lane = threadIdx.x % LANES;
    for (int64 row = blockIdx.x; row < r; row += gridDim.x) {
        for (int64 s = threadIdx.x; s < k; s += THREADS) keys[s] = Key<double>{infinity, 2147483647};
        if (threadIdx.x == 0) gathered = 0;
        __syncthreads();
        Kept<double> kept{keys, (int)k, &gathered, keys[k - 1]};
        const REAL* x = X + rows[row] * d;
        for (int64 first = starts[row]; first < starts[row + 1]; first += THREADS / LANES) {
            int64 c = first + threadIdx.x / LANES;
            bool there = c < starts[row + 1];
            int column = candidates[there ? c : first];
            const REAL* y = X + column * d;
            double sum = 0;
#pragma unroll 4
            for (int64 f = lane; f < d; f += LANES) {
                double difference = (double)x[f] - (double)y[f];
                sum += difference * difference;
            }
            sum = lanes_sum(sum);
            Key<double> offered[1] = {kept.largest};
            if (there && lane == 0) offered[0] = Key<double>{sum, column};
            take(kept, offered);
        }
        settle(kept);
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
