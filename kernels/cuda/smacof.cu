// SMACOF for metric multidimensional scaling: Guttman transform and stress over all pairs.
//
// Every pair is stored once, in strips of the upper half of the matrix (kernels/pairs.py), and is
// read twice: once for its row and once for its column. So each sum has one owner, nothing is
// added by atomics, and the result has the same bits in every run.

typedef long long int64;

// REAL, of coordinates and terms; VALUE, of dissimilarities; P coordinates of a point; STRIP, and
// how a block is cut up, ROWS, COLUMNS and THREADS, are set by kernels/gpu/smacof.py.
#define GROUPS (THREADS / COLUMNS)  // threads that share the rows of a column

// Strip `part` of the folds from `fold` on: fold t is strip t and the t-th last, -1 if that is it.
__device__ int64 strip_of(int64 part, int64 fold, int64 strips) {
    int64 upper = fold + part / 2, lower = strips - 1 - upper;
    if (part % 2 == 0) return upper;
    return lower == upper ? -1 : lower;
}

// 1 / sqrt(x). In single precision one instruction, right to two units in the last place, instead of
// thirty of a root and a division; the 16 bits of a dissimilarity are 2^7 times as coarse.
__device__ float inverse_root(float x) {
#ifdef __CUDA_ARCH__
    float y;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#else
    return 1 / sqrt(x);
#endif
}
__device__ double inverse_root(double x) { return 1 / sqrt(x); }

// Add one pair's pull on x, (delta / d) (x - y), to `sums`; return its squared error.
__device__ REAL pull(VALUE value, const REAL* x, const REAL* y, REAL* sums) {
    REAL difference[P], squared = 0;
    for (int k = 0; k < P; k++) {
        difference[k] = x[k] - y[k];
        squared += difference[k] * difference[k];
    }
    squared = squared > (REAL)1e-20 ? squared : (REAL)1e-20;  // coincident points
    REAL delta = value, over_d = inverse_root(squared), error = delta - squared * over_d;
    for (int k = 0; k < P; k++) sums[k] += delta * over_d * difference[k];
    return error * error;
}

// Sum `mine` over the threads of a block; every thread gets the result.
__device__ double block_sum(double mine) {
    __shared__ double parts[THREADS];
    __syncthreads();
    parts[threadIdx.x] = mine;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
    }
    __syncthreads();
    return parts[0];
}

// Rows: add the pairs to the right of the diagonal. Block (g, part) has ROWS rows of a strip.
extern "C" __global__ void later_sums(
    const VALUE* __restrict__ values, const int64* __restrict__ starts,
    const REAL* __restrict__ X,  // (P, n)
    int64 n, int64 strips, int64 first_fold,
    double* __restrict__ sums,     // (P, n)
    double* __restrict__ squares)  // (n,)
{
    int64 s = strip_of(blockIdx.y, first_fold, strips);
    if (s < 0) return;
    int64 first = s * STRIP, width = n - first, row = first + (int64)blockIdx.x * ROWS;
    int64 rows = min((int64)ROWS, n - row);
    if (rows <= 0) return;

    REAL x[ROWS][P], sum[ROWS][P], square[ROWS];
    const VALUE* pairs[ROWS];  // of each row; beyond the last row they are not used
    for (int r = 0; r < ROWS; r++) {
        int64 i = min(row + r, n - 1);
        square[r] = 0;
        for (int k = 0; k < P; k++) {
            sum[r][k] = 0;
            x[r][k] = X[k * n + i];
        }
        pairs[r] = values + starts[s] + (i - first) * width - first;
    }
    // Pairs of these rows themselves, and then those to the right of all of them.
    for (int64 j = row + 1 + threadIdx.x; j < row + rows; j += THREADS) {
        REAL y[P];
        for (int k = 0; k < P; k++) y[k] = X[k * n + j];
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            if (row + r < j) square[r] += pull(pairs[r][j], x[r], y, sum[r]);
        }
    }
    for (int64 j = row + ROWS + threadIdx.x; j < n; j += THREADS) {
        REAL y[P];
        for (int k = 0; k < P; k++) y[k] = X[k * n + j];
#pragma unroll
        for (int r = 0; r < ROWS; r++) square[r] += pull(pairs[r][j], x[r], y, sum[r]);
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        for (int k = 0; k < P; k++) {
            double total = block_sum(sum[r][k]);
            if (threadIdx.x == 0 && r < rows) sums[k * n + row + r] += total;
        }
        double total = block_sum(square[r]);
        if (threadIdx.x == 0 && r < rows) squares[row + r] = total;
    }
}

// Columns: add the pairs above the diagonal in some strips. Thread (column, group) of a block has
// every GROUPS-th row; the longest columns, the last ones, start first.
extern "C" __global__ void earlier_sums(
    const VALUE* __restrict__ values, const int64* __restrict__ starts,
    const REAL* __restrict__ X, int64 n, int64 strips, int64 first_fold, int64 parts,
    double* __restrict__ sums)
{
    int64 j = (int64)(gridDim.x - 1 - blockIdx.x) * COLUMNS + threadIdx.x % COLUMNS;
    int group = threadIdx.x / COLUMNS;
    double total[P];
    REAL y[P];
    for (int k = 0; k < P; k++) {
        total[k] = 0;
        y[k] = X[k * n + min(j, n - 1)];
    }
    for (int64 part = 0; part < parts; part++) {
        int64 s = strip_of(part, first_fold, strips);
        int64 first = s * STRIP, width = n - first;
        if (s < 0 || first >= j || j >= n) continue;
        int64 last = min(min(first + STRIP, n), j);
        REAL sum[P];  // of a strip's rows only: few terms in single precision
        for (int k = 0; k < P; k++) sum[k] = 0;
        const VALUE* column = values + starts[s] - first * width + (j - first);
#pragma unroll 4
        for (int64 i = first + group; i < last; i += GROUPS) {
            REAL x[P];
            for (int k = 0; k < P; k++) x[k] = X[k * n + i];
            pull(column[i * width], y, x, sum);
        }
        for (int k = 0; k < P; k++) total[k] += sum[k];
    }
    __shared__ double parts_of[GROUPS][COLUMNS];
    for (int k = 0; k < P; k++) {
        __syncthreads();
        parts_of[group][threadIdx.x % COLUMNS] = total[k];
        __syncthreads();
        if (group == 0 && j < n) {
            double column = 0;
            for (int g = 0; g < GROUPS; g++) column += parts_of[g][threadIdx.x];
            sums[k * n + j] += column;
        }
    }
}
