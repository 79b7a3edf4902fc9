// Shortest paths from many sources: sweeps of Bellman and Ford over the vertices of a graph.
//
// A vertex is relaxed by pulling: its distances become the least of its neighbours' plus the edges
// between them, for all SOURCES_PER_BATCH sources together. Sweeps go on until no distance falls.
//
// Other vertices are relaxed at the same time and change what is read. That does no harm. Every
// number is at all times the length of some walk from its source, or UNREACHED, and only falls;
// integers do so finitely often. At the end no edge can lower any, d[v] <= d[u] + length, so by
// induction along a shortest path no distance is longer than that path. Only the true distances are
// both, so the order of relaxations decides the work and not a bit of the result.
//
// Nor can a fall be missed. Each vertex has a flag, "waiting". Relaxing a vertex clears its own,
// fences, and then reads its neighbours; whoever lowers a neighbour writes the distance, fences, and
// then sets the flag. Of the two fences one is first. If the writer's is, the reader sees the new
// distance; if the reader's is, its flag is set after it was cleared, and it is relaxed again.
// Distances and flags are read and written in the second-level cache, where all processors see the
// same.

typedef long long int64;

// SOURCES_PER_BATCH; THREADS of a block; TILE vertices transposed together; FRACTION_BITS and TOP as
// in kernels/cpu/shortest_paths.py. Set by kernels/gpu/shortest_paths.py.
#define WIDTH (SOURCES_PER_BATCH / 4)  // threads of a vertex: each has four sources
#define VERTICES (THREADS / WIDTH)     // of a block

__device__ int4 relax_edge(int4 best, int4 there, int length) {
    best.x = min(best.x, there.x + length);
    best.y = min(best.y, there.y + length);
    best.z = min(best.z, there.z + length);
    best.w = min(best.w, there.w + length);
    return best;
}

// One sweep: relax the waiting vertices, roughly in the given order.
extern "C" __global__ void relax(
    const int64* __restrict__ starts, const int* __restrict__ neighbours,
    const int* __restrict__ lengths,
    const int64* __restrict__ order, int64 n, int64 sweep,
    int* distances,   // (n, SOURCES_PER_BATCH)
    int* waiting,     // (n,)
    int* last_fall)   // (1,): the last sweep in which a distance fell
{
    __shared__ bool active[VERTICES];
    int slot = threadIdx.x / WIDTH, part = threadIdx.x % WIDTH;
    int64 i = (int64)blockIdx.x * VERTICES + slot, v = order[min(i, n - 1)];
    if (part == 0) {
        active[slot] = i < n && __ldcg(waiting + v);
        if (active[slot]) __stcg(waiting + v, 0);
        __threadfence();
    }
    __syncthreads();
    if (!active[slot]) return;

    int4* rows = (int4*)distances;
    int4 here = __ldcg(rows + v * WIDTH + part), best = here;
    int64 end = starts[v + 1];
#pragma unroll 4
    for (int64 arc = starts[v]; arc < end; arc++)
        best = relax_edge(best, __ldcg(rows + (int64)neighbours[arc] * WIDTH + part), lengths[arc]);

    if (best.x < here.x || best.y < here.y || best.z < here.z || best.w < here.w) {
        __stcg(rows + v * WIDTH + part, best);
        __threadfence();
        for (int64 arc = starts[v]; arc < end; arc++) __stcg(waiting + neighbours[arc], 1);
        __stcg(last_fall, (int)sweep);
    }
}

// Round distances to 16 bits and transpose them, for the vertices from first_column on.
extern "C" __global__ void round_distances(
    const int* __restrict__ distances,  // (n, SOURCES_PER_BATCH)
    int64 n, int64 first_column, int64 rows,
    unsigned short* __restrict__ out, int64 stride,  // (rows, n - first_column)
    int* too_long)                                   // (1,): set to 1 if a distance is
{
    // Two more: the threads of a column use different banks.
    __shared__ unsigned short tile[SOURCES_PER_BATCH][TILE + 2];
    int64 left = first_column + (int64)blockIdx.x * TILE;
    for (int e = threadIdx.x; e < TILE * SOURCES_PER_BATCH; e += THREADS) {
        int64 v = left + e / SOURCES_PER_BATCH;
        int row = e % SOURCES_PER_BATCH;
        if (v >= n || row >= rows) continue;
        int distance = distances[v * SOURCES_PER_BATCH + row];
        int rounded = (distance + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS;
        if (rounded > TOP) __stcg(too_long, 1);
        tile[row][e / SOURCES_PER_BATCH] = min(rounded, TOP);
    }
    __syncthreads();
    for (int e = threadIdx.x; e < TILE * SOURCES_PER_BATCH; e += THREADS) {
        int64 v = left + e % TILE;
        int row = e / TILE;
        if (v < n && row < rows) out[row * stride + v - first_column] = tile[row][e % TILE];
    }
}
