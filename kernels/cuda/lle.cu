// Locally linear embedding: barycentric weights, and products with (I - W)^T (I - W).
//
// Every sum has one owner and a fixed order, so the result has the same bits in every run.

typedef long long int64;

// REAL, of points; how a block is cut up, SIDE and FEATURES; and the neighbours whose matrix stays
// in shared memory, SMALL, are set by kernels/gpu/lle.py.
#define THREADS (SIDE * SIDE)

// Where the entry (row, column), column <= row, of a lower triangle is: it is stored row by row.
__device__ int at(int row, int column) { return row * (row + 1) / 2 + column; }

// Differences to x of the neighbours from `first` on, features from `feature` on; else zeros.
__device__ void load_differences(
    const REAL* __restrict__ X, int64 d, const REAL* x, const int* near, int k, int first,
    int64 feature, double tile[SIDE][FEATURES + 1])
{
    for (int s = threadIdx.x; s < SIDE * FEATURES; s += THREADS) {
        int a = first + s / FEATURES;
        int64 f = feature + s % FEATURES;
        bool there = a < k && f < d;
        tile[s / FEATURES][s % FEATURES] = there ? (double)X[(int64)near[a] * d + f] - (double)x[f] : 0;
    }
}

// Inner products of the differences of a point's neighbours, in float64: a thread an entry, SIDE
// by SIDE of them at a time.
__device__ void gram_matrix(
    const REAL* __restrict__ X, int64 d, const REAL* x, const int* near, int k, double* G)
{
    __shared__ double rows[SIDE][FEATURES + 1], columns[SIDE][FEATURES + 1];
    int i = threadIdx.x / SIDE, j = threadIdx.x % SIDE;
    for (int top = 0; top < k; top += SIDE) {
        for (int left = 0; left <= top; left += SIDE) {
            double sum = 0;
            for (int64 feature = 0; feature < d; feature += FEATURES) {
                __syncthreads();
                load_differences(X, d, x, near, k, top, feature, rows);
                load_differences(X, d, x, near, k, left, feature, columns);
                __syncthreads();
                for (int f = 0; f < FEATURES; f++) sum += rows[i][f] * columns[j][f];
            }
            int a = top + i, b = left + j;
            if (a < k && b <= a) G[at(a, b)] = sum;
        }
    }
}

// Solve G w = 1 without square roots: G = L D L', and a row of ones below G becomes (L D)^-1 1
// times D by the same steps (Golub & Van Loan 2013, section 4.1). False if some pivot is not
// positive. Column c of L is kept times its pivot, which is G[c][c].
__device__ bool solve_for_ones(int k, double* G) {
    int i = threadIdx.x / SIDE, j = threadIdx.x % SIDE;
    bool positive = true;
    for (int c = 0; c < k; c++) {
        double pivot = G[at(c, c)];
        positive = positive && pivot > 0;
        for (int a = c + 1 + i; a <= k; a += SIDE) {
            double ratio = G[at(a, c)] / pivot;
            for (int b = c + 1 + j; b <= min(a, k - 1); b += SIDE) {
                G[at(a, b)] -= ratio * G[at(b, c)];
            }
        }
        __syncthreads();
    }
    double* w = G + at(k, 0);
    for (int a = k - 1; a >= 0; a--) {
        double last = w[a] / G[at(a, a)];
        for (int b = threadIdx.x; b < a; b += THREADS) w[b] -= last * G[at(a, b)];
        __syncthreads();
    }
    for (int a = threadIdx.x; a < k; a += THREADS) w[a] /= G[at(a, a)];
    __syncthreads();
    return positive;
}

// Weights of sum 1 that best reconstruct each point from its neighbours; a block a point.
extern "C" __global__ void barycenter_weights(
    const REAL* __restrict__ X, int64 d,
    const int64* __restrict__ points, int64 count,
    const int* __restrict__ indices, int64 neighbours,  // (count, neighbours)
    double reg,
    double* __restrict__ scratch,  // (blocks, triangle of neighbours + 1), where not SMALL
    double* __restrict__ weights)  // (count, neighbours)
{
    __shared__ double own[(SMALL + 1) * (SMALL + 2) / 2];
    int k = neighbours;
    double* G = k <= SMALL ? own : scratch + (int64)blockIdx.x * at(k + 1, 0);
    for (int64 r = blockIdx.x; r < count; r += gridDim.x) {
        gram_matrix(X, d, X + points[r] * d, indices + r * k, k, G);
        __syncthreads();
        double trace = 0;
        for (int a = 0; a < k; a++) trace += G[at(a, a)];
        __syncthreads();
        for (int a = threadIdx.x; a < k; a += THREADS) {
            G[at(a, a)] += trace > 0 ? reg * trace : reg;
            G[at(k, a)] = 1;
        }
        __syncthreads();
        bool positive = solve_for_ones(k, G);
        const double* w = G + at(k, 0);
        double total = 0;
        for (int a = 0; a < k; a++) total += w[a];
        for (int a = threadIdx.x; a < k; a += THREADS) {
            weights[r * k + a] = positive ? w[a] / total : nan("");
        }
    }
}

// out = scale (I - W) Z + shift V + decay out. A thread an entry of `out`: the threads of a row read
// the same entries of W, and whole rows of Z.
extern "C" __global__ void add_residual(
    const int64* __restrict__ starts, const int* __restrict__ columns,
    const double* __restrict__ weights, const double* __restrict__ Z,  // (n, b)
    const double* __restrict__ V, int64 n, int64 b, int64 threads_per_row,
    double scale, double shift, double decay, double* __restrict__ out)
{
    int width = threads_per_row, rows = blockDim.x / width, row = threadIdx.x / width;
    int64 i = (int64)blockIdx.x * rows + row;
    if (row >= rows || i >= n) return;
    int64 end = starts[i + 1];
    for (int64 c = threadIdx.x % width; c < b; c += width) {
        double total = scale * Z[i * b + c] + shift * V[i * b + c] + decay * out[i * b + c];
#pragma unroll 4
        for (int64 e = starts[i]; e < end; e++) {  // four rows of Z on their way at a time
            total -= scale * weights[e] * Z[(int64)columns[e] * b + c];
        }
        out[i * b + c] = total;
    }
}
