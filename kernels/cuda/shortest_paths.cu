// Shortest paths from many sources, side by side: sweeps over the vertices of a graph.
//
// A visit pulls: the distances of a vertex become the least of its neighbours' plus the edges
// between them, for all LANES sources together. Sweeps go on until no distance falls.
//
// Visits of other vertices run at the same time and change what a visit reads. That does no harm.
// Every number is at all times the length of some walk from its source, or UNREACHED, and only
// falls; integers do so finitely often. At the end no edge can lower any, d[v] <= d[u] + length,
// so by induction along a shortest path no distance is longer than that path. Only the true
// distances are both, so the order of visits decides the work and not a bit of the result.
//
// Nor can a fall be missed. Each vertex has a flag, "waiting". A visit clears its own, fences, and
// then reads its neighbours; whoever lowers a neighbour writes the distance, fences, and then sets
// the flag. Of the two fences one is first. If the writer's is, the visit reads the new distance;
// if the visit's is, its flag is set after it was cleared, and it is visited again. Distances and
// flags are read and written in the second-level cache, where all processors see the same.

typedef long long int64;

// LANES sources of a batch; THREADS of a block; TILE vertices turned into columns together;
// FRACTION_BITS and TOP as in kernels/cpu/shortest_paths.py. Set by kernels/gpu/shortest_paths.py.
#define WIDTH (LANES / 4)           // threads of a vertex: each has four lanes
#define VERTICES (THREADS / WIDTH)  // of a block

__device__ int4 nearer(int4 best, int4 there, int length) {
    best.x = min(best.x, there.x + length);
    best.y = min(best.y, there.y + length);
    best.z = min(best.z, there.z + length);
    best.w = min(best.w, there.w + length);
    return best;
}

// One sweep: visit the waiting vertices, roughly in the order given.
extern "C" __global__ void visit(
    const int64* __restrict__ starts, const int* __restrict__ neighbours,
    const int* __restrict__ lengths,
    const int64* __restrict__ order, int64 n, int64 sweep,
    int* distances,   // (n, LANES)
    int* waiting,     // (n,)
    int* last_fall)   // (1,): the last sweep in which a distance fell
{
    __shared__ bool visited[VERTICES];
    int place = threadIdx.x / WIDTH, part = threadIdx.x % WIDTH;
    int64 i = (int64)blockIdx.x * VERTICES + place, v = order[min(i, n - 1)];
    if (part == 0) {
        visited[place] = i < n && __ldcg(waiting + v);
        if (visited[place]) __stcg(waiting + v, 0);
        __threadfence();
    }
    __syncthreads();
    if (!visited[place]) return;

    int4* rows = (int4*)distances;
    int4 here = __ldcg(rows + v * WIDTH + part), best = here;
    int64 end = starts[v + 1];
#pragma unroll 4
    for (int64 arc = starts[v]; arc < end; arc++)
        best = nearer(best, __ldcg(rows + (int64)neighbours[arc] * WIDTH + part), lengths[arc]);

    if (best.x < here.x || best.y < here.y || best.z < here.z || best.w < here.w) {
        __stcg(rows + v * WIDTH + part, best);
        __threadfence();
        for (int64 arc = starts[v]; arc < end; arc++) __stcg(waiting + neighbours[arc], 1);
        __stcg(last_fall, (int)sweep);
    }
}

// Rows of 16-bit numbers out of columns of distances, for the vertices from first_column on.
extern "C" __global__ void round_off(
    const int* __restrict__ distances,  // (n, LANES)
    int64 n, int64 first_column, int64 rows,
    unsigned short* __restrict__ out, int64 stride,  // (rows, n - first_column)
    int* too_long)                                   // (1,): set to 1 if a distance is
{
    __shared__ unsigned short tile[LANES][TILE + 2];  // a column's threads use different banks
    int64 left = first_column + (int64)blockIdx.x * TILE;
    for (int e = threadIdx.x; e < TILE * LANES; e += THREADS) {
        int64 v = left + e / LANES;
        int lane = e % LANES;
        if (v >= n || lane >= rows) continue;
        int rounded = (distances[v * LANES + lane] + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS;
        if (rounded > TOP) __stcg(too_long, 1);
        tile[lane][e / LANES] = min(rounded, TOP);
    }
    __syncthreads();
    for (int e = threadIdx.x; e < TILE * LANES; e += THREADS) {
        int64 v = left + e % TILE;
        int lane = e / TILE;
        if (v < n && lane < rows) out[lane * stride + v - first_column] = tile[lane][e % TILE];
    }
}
