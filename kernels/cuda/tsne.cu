// Gradient of t-SNE: exact repulsion, attraction along a sparse matrix; the KL divergence.
//
// Every sum has one owner and a fixed order, so the result has the same bits in every run.

typedef long long int64;

// REAL, of the layout; and how a block is cut up, THREADS, ROWS and THREADS_PER_ROW, are set by
// kernels/gpu/tsne.py.

// Reciprocal of a number that is at least 1. In single precision one instruction, right to a unit in
// the last place, instead of the ten or so of a division; there are n^2 of them.
__device__ float reciprocal(float x) {
#ifdef __CUDA_ARCH__
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#else
    return 1 / x;
#endif
}
__device__ double reciprocal(double x) { return 1 / x; }

// Sums over all columns j, the point itself included, of q^2 (y - y_j) and of q, for `rows` points
// from `first_row` on. A thread has ROWS of them; blocks (., c) have every gridDim.y-th tile of columns, from tile c on.
extern "C" __global__ void repulsive_sums(
    const REAL* __restrict__ Y,  // (2, n)
    int64 n,
    int64 first_row,
    int64 rows,
    double* __restrict__ sums)  // (gridDim.y, 3, rows)
{
    __shared__ REAL tile_x[THREADS], tile_y[THREADS];
    int64 row = (int64)blockIdx.x * ROWS * THREADS + threadIdx.x;
    REAL x[ROWS], y[ROWS];
    double total[3][ROWS];
    for (int r = 0; r < ROWS; r++) {
        int64 i = first_row + min(row + r * THREADS, rows - 1);
        x[r] = Y[i];
        y[r] = Y[n + i];
        total[0][r] = total[1][r] = total[2][r] = 0;
    }
    for (int64 left = (int64)blockIdx.y * THREADS; left < n; left += (int64)gridDim.y * THREADS) {
        int columns = min((int64)THREADS, n - left);
        __syncthreads();
        if (threadIdx.x < columns) {
            tile_x[threadIdx.x] = Y[left + threadIdx.x];
            tile_y[threadIdx.x] = Y[n + left + threadIdx.x];
        }
        __syncthreads();
        REAL sum[3][ROWS] = {};  // of a tile only: few terms in single precision
#pragma unroll 4
        for (int j = 0; j < columns; j++) {
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                REAL dx = x[r] - tile_x[j], dy = y[r] - tile_y[j];
                REAL q = reciprocal(1 + dx * dx + dy * dy), squared = q * q;
                sum[0][r] += squared * dx;
                sum[1][r] += squared * dy;
                sum[2][r] += q;
            }
        }
        for (int c = 0; c < 3; c++)
            for (int r = 0; r < ROWS; r++) total[c][r] += sum[c][r];
    }
    for (int r = 0; r < ROWS; r++) {
        int64 i = row + r * THREADS;
        for (int c = 0; c < 3 && i < rows; c++)
            sums[(blockIdx.y * 3 + c) * rows + i] = total[c][r];
    }
}

// Sum `mine` over the THREADS_PER_ROW threads of a row; the first of them gets the result.
__device__ double row_sum(double mine) {
    __shared__ double parts[THREADS];
    __syncthreads();
    parts[threadIdx.x] = mine;
    for (int half = THREADS_PER_ROW / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x % THREADS_PER_ROW < half) parts[threadIdx.x] += parts[threadIdx.x + half];
    }
    return parts[threadIdx.x];
}

// Attraction of each point: the sum over its entries of p q (y - y_j).
extern "C" __global__ void attractive_sums(
    const int64* __restrict__ starts, const int* __restrict__ columns,
    const double* __restrict__ values,
    const REAL* __restrict__ Y, int64 n,
    double* __restrict__ A)  // (2, n)
{
    int64 i = (int64)blockIdx.x * (THREADS / THREADS_PER_ROW) + threadIdx.x / THREADS_PER_ROW;
    int part = threadIdx.x % THREADS_PER_ROW;
    double x_sum = 0, y_sum = 0;
    for (int64 e = i < n ? starts[i] + part : 0; i < n && e < starts[i + 1]; e += THREADS_PER_ROW) {
        int64 j = columns[e];
        double dx = (double)Y[i] - (double)Y[j], dy = (double)Y[n + i] - (double)Y[n + j];
        double w = values[e] / (1 + dx * dx + dy * dy);
        x_sum += w * dx;
        y_sum += w * dy;
    }
    x_sum = row_sum(x_sum);
    y_sum = row_sum(y_sum);
    if (part == 0 && i < n) {
        A[i] = x_sum;
        A[n + i] = y_sum;
    }
}

// Divergence of each point: the sum over its entries of p log(p total / q).
extern "C" __global__ void divergence_sums(
    const int64* __restrict__ starts, const int* __restrict__ columns,
    const double* __restrict__ values,
    const REAL* __restrict__ Y, int64 n, double total,
    double* __restrict__ sums)  // (n,)
{
    int64 i = (int64)blockIdx.x * (THREADS / THREADS_PER_ROW) + threadIdx.x / THREADS_PER_ROW;
    int part = threadIdx.x % THREADS_PER_ROW;
    double sum = 0;
    for (int64 e = i < n ? starts[i] + part : 0; i < n && e < starts[i + 1]; e += THREADS_PER_ROW) {
        int64 j = columns[e];
        double dx = (double)Y[i] - (double)Y[j], dy = (double)Y[n + i] - (double)Y[n + j];
        if (values[e] > 0) sum += values[e] * log(values[e] * total * (1 + dx * dx + dy * dy));
    }
    sum = row_sum(sum);
    if (part == 0 && i < n) sums[i] = sum;
}
