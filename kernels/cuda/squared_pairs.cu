// Products of the squared distance matrix with vectors, and the sum of its squared entries.
//
// Every pair is stored once, in strips of the upper half of the matrix (kernels/pairs.py), and is
// read twice: once for its row and once for its column. So each sum has one owner, nothing is
// added by atomics, and the result has the same bits in every run.

typedef long long int64;

// VALUE, of the pairs; B vectors multiplied together; STRIP, and how a block is cut up, ROWS,
// COLUMNS and THREADS, are set by kernels/gpu/squared_pairs.py. The threads of a block are GROUPS
// of one for each of COLUMNS columns, so that a group reads what is side by side.
#define GROUPS (THREADS / COLUMNS)

__device__ double square(VALUE value) {
    double number = value;
    return number * number;
}

// Replace `mine`, in the first of every `width` threads, by its sums over these threads.
__device__ void add_up(double mine[B], int width) {
    __shared__ double parts[B][THREADS];
    __syncthreads();
    for (int b = 0; b < B; b++) parts[b][threadIdx.x] = mine[b];
    for (int half = width / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x % width >= half) continue;
        for (int b = 0; b < B; b++) parts[b][threadIdx.x] += parts[b][threadIdx.x + half];
    }
    for (int b = 0; b < B; b++) mine[b] = parts[b][threadIdx.x];
}

// Rows: add the pairs to the right of the diagonal. Each group of block (x, s) has ROWS rows of a
// strip; what is loaded of the vectors serves all its groups, out of the first-level cache.
extern "C" __global__ void __launch_bounds__(THREADS) later_products(
    const VALUE* __restrict__ values, const int64* __restrict__ starts, int64 n,
    int64 first_strip,
    const double* __restrict__ vectors,  // (B, n)
    double* __restrict__ sums)           // (B, n)
{
    int64 s = first_strip + blockIdx.y, first = s * STRIP, width = n - first;
    int column = threadIdx.x % COLUMNS, group = threadIdx.x / COLUMNS;
    int64 row = first + ((int64)blockIdx.x * GROUPS + group) * ROWS;
    double sum[ROWS][B] = {};
    const VALUE* strip = values + starts[s] + (row - first) * width - first;
    for (int64 j = row + 1 + column; j < n; j += COLUMNS) {
        double x[B];
        for (int b = 0; b < B; b++) x[b] = vectors[b * n + j];
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            double number = row + r < j ? square(strip[r * width + j]) : 0;
            for (int b = 0; b < B; b++) sum[r][b] += number * x[b];
        }
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        add_up(sum[r], COLUMNS);
        if (column > 0 || row + r >= n) continue;
        for (int b = 0; b < B; b++) sums[b * n + row + r] += sum[r][b];
    }
}

// Columns: add the pairs above the diagonal in some strips. A group of a block has every GROUPS-th
// row of its columns; the longest columns, the last ones, start first.
extern "C" __global__ void __launch_bounds__(THREADS) earlier_products(
    const VALUE* __restrict__ values, const int64* __restrict__ starts, int64 n,
    int64 first_strip, int64 last_strip,
    const double* __restrict__ vectors, double* __restrict__ sums)
{
    int column = threadIdx.x % COLUMNS, group = threadIdx.x / COLUMNS;
    int64 j = (int64)(gridDim.x - 1 - blockIdx.x) * COLUMNS + column;
    double sum[B] = {};
    for (int64 s = first_strip; s < last_strip; s++) {
        int64 first = s * STRIP, width = n - first, last = min(first + STRIP, j);
        if (j >= n || first >= j) break;
        const VALUE* strip = values + starts[s] - first * width + (j - first);
#pragma unroll 4
        for (int64 i = first + group; i < last; i += GROUPS) {
            double number = square(strip[i * width]);
            for (int b = 0; b < B; b++) sum[b] += number * vectors[b * n + i];
        }
    }
    __shared__ double parts[B][GROUPS][COLUMNS];
    for (int b = 0; b < B; b++) parts[b][group][column] = sum[b];
    __syncthreads();
    for (int b = group; b < B && j < n; b += GROUPS) {
        double total = 0;
        for (int g = 0; g < GROUPS; g++) total += parts[b][g][column];
        sums[b * n + j] += total;
    }
}

// Sum the fourth powers of a strip's numbers above the diagonal. A block has a strip.
extern "C" __global__ void fourth_powers(
    const VALUE* __restrict__ values, const int64* __restrict__ starts, int64 n,
    int64 first_strip,
    double* __restrict__ sums)  // (strips,)
{
    int64 s = first_strip + blockIdx.x, first = s * STRIP, width = n - first;
    double sum[B] = {};  // the first is used
    for (int64 r = 0; r < min((int64)STRIP, width); r++) {
        const VALUE* row = values + starts[s] + r * width;
#pragma unroll 4
        for (int64 c = r + 1 + threadIdx.x; c < width; c += THREADS) {
            double number = square(row[c]);
            sum[0] += number * number;
        }
    }
    add_up(sum, THREADS);
    if (threadIdx.x == 0) sums[s] = sum[0];
}
