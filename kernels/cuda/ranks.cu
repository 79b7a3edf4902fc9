// Ranks of neighbours among all points, counted without sorting all distances.

typedef long long int64;

// REAL, of products; THREADS of a block, and HELD, neighbours whose counts a thread holds while it
// reads its columns of a row once, are set by kernels/gpu/ranks.py.

// Count the columns that are nearer to each row than its neighbours are. A block has one row.
extern "C" __global__ void count_nearer(
    const REAL* __restrict__ products,  // (b, c)
    const REAL* __restrict__ half_norms, int64 first_column, int64 c,
    const REAL* __restrict__ scores, const int* __restrict__ columns, int64 m,  // (b, m)
    int* __restrict__ counts)                                                   // (b, m)
{
    int64 i = blockIdx.x;
    __shared__ int nearer[HELD];
    for (int64 first = 0; first < m; first += HELD) {
        REAL score[HELD];
        int column[HELD], count[HELD];
#pragma unroll
        for (int s = 0; s < HELD; s++) {
            int64 entry = i * m + min(first + s, m - 1);
            score[s] = scores[entry];
            column[s] = columns[entry];
            count[s] = 0;
        }
        for (int64 j = threadIdx.x; j < c; j += THREADS) {
            REAL value = half_norms[j] - products[i * c + j];
            int name = (int)(first_column + j);
#pragma unroll
            for (int s = 0; s < HELD; s++) {
                bool ahead = value < score[s] || (value == score[s] && name < column[s]);
                count[s] += ahead && name != column[s];
            }
        }
        if (threadIdx.x < HELD) nearer[threadIdx.x] = 0;
        __syncthreads();
#pragma unroll
        for (int s = 0; s < HELD; s++) atomicAdd(nearer + s, count[s]);
        __syncthreads();
        if (threadIdx.x < HELD && first + threadIdx.x < m) {
            counts[i * m + first + threadIdx.x] += nearer[threadIdx.x];
        }
    }
}
