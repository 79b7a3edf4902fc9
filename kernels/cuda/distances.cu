// Pairwise Euclidean distances from inner products; see kernels/cpu/distances.py for their rounding.
//
// One thread a pair: 4 bytes of the product in, VALUE out. The few pairs that are close are computed
// again by the same thread, from its two rows.

typedef long long int64;

// REAL, of products, points and norms; VALUE, of the result; HALF, 0.5 if VALUE is an integer;
// CANCELS and THREADS are set by kernels/gpu/distances.py.

// Block (b, i) has THREADS columns of row i.
extern "C" __global__ void later_distances(
    const REAL* __restrict__ products,  // (rows, columns)
    const REAL* __restrict__ X,         // (n, d)
    const REAL* __restrict__ squared_norms, int64 first_row, int64 first_column, int64 columns,
    int64 d, double step,
    VALUE* __restrict__ out,  // (rows, columns), rows `stride` apart
    int64 stride)
{
    int64 i = blockIdx.y, j = (int64)blockIdx.x * THREADS + threadIdx.x;
    int64 row = first_row + i, column = first_column + j;
    if (j >= columns || column <= row) return;
    REAL both = squared_norms[row] + squared_norms[column];
    REAL squared = both - 2 * products[i * columns + j];
    if (squared < (REAL)CANCELS * both) {
        const REAL *x = X + row * d, *y = X + column * d;
        squared = 0;
        for (int64 f = 0; f < d; f++) squared += (x[f] - y[f]) * (x[f] - y[f]);
    }
    out[i * stride + j] = (VALUE)((REAL)(1 / step) * sqrt(squared) + (REAL)HALF);
}
