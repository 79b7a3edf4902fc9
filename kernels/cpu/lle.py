"""Locally linear embedding: barycentric weights, and products with (I - W)^T (I - W)."""

import numba
import numpy as np


# Reassociation lets the sums over features run in vector registers; no flag here assumes
# anything about NaN or infinity, so a factorisation that fails still shows.
@numba.njit(parallel=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def barycenter_weights(X, rows, indices, reg):
    """Barycentric weights: those of sum 1 that best reconstruct each point from its neighbours.

    With C the neighbours minus the point and G = C C^T, the weights of a point are w / sum(w)
    where (G + R I) w = 1 and R = reg trace(G), or reg where the trace is zero
    (Saul & Roweis 2003, section 3.1).

    Parameters
    ----------
    X : (n, d) float32 or float64
        Points, not centred: differences are taken in float64.
    rows : (r,) int64
        The requested points.
    indices : (r, k) int32
        Their neighbours.
    reg : float
        Positive.

    Returns
    -------
    (r, k) float64
        NaN in a row whose matrix is not positive definite in float64.
    """
    k, d = indices.shape[1], X.shape[1]
    weights = np.empty(indices.shape)
    for r in numba.prange(rows.shape[0]):
        x = X[rows[r]]
        C = np.empty((k, d))
        for a in range(k):
            y = X[indices[r, a]]
            for f in range(d):
                C[a, f] = np.float64(y[f]) - np.float64(x[f])
        G = np.empty((k, k))
        trace = 0.0
        for a in range(k):
            for b in range(a + 1):
                total = 0.0
                for f in range(d):
                    total += C[a, f] * C[b, f]
                G[a, b] = total
            trace += G[a, a]
        for a in range(k):
            G[a, a] += reg * trace if trace > 0 else reg
        w = weights[r]
        _solve_for_ones(G, w)
        w /= w.sum()
    return weights


@numba.njit(cache=True)
def _solve_for_ones(G, w):
    """Solve G w = 1 by Cholesky decomposition, which overwrites the lower half of G."""
    k = G.shape[0]
    for a in range(k):
        for b in range(a):
            for c in range(b):
                G[a, b] -= G[a, c] * G[b, c]
            G[a, b] /= G[b, b]
            G[a, a] -= G[a, b] * G[a, b]
        G[a, a] = np.sqrt(G[a, a])
    for a in range(k):
        w[a] = 1.0
        for b in range(a):
            w[a] -= G[a, b] * w[b]
        w[a] /= G[a, a]
    for a in range(k - 1, -1, -1):
        for b in range(a + 1, k):
            w[a] -= G[b, a] * w[b]
        w[a] /= G[a, a]


@numba.njit(parallel=True, cache=True, fastmath={"contract"})
def add_residual(starts, columns, weights, Z, V, scale, shift, decay, out):
    """Set out = scale (I - W) Z + shift V + decay out in a single pass through memory.

    With W and then with its transpose, this is a step of a three-term recurrence with
    M = (I - W)^T (I - W), which is never formed: it has five times as many entries as W. Each row
    is summed by one thread in the order of its entries.

    Parameters
    ----------
    starts : (n + 1,) int64
        Row i of W has its entries at starts[i]:starts[i + 1].
    columns, weights : int32, float64
        Of each entry.
    Z, V : (n, b) float64
    scale, shift, decay : float
    out : (n, b) float64
        Updated in place; shares no memory with Z.
    """
    b = Z.shape[1]
    for i in numba.prange(Z.shape[0]):
        total = out[i]
        for c in range(b):
            total[c] = scale * Z[i, c] + shift * V[i, c] + decay * total[c]
        e, end = starts[i], starts[i + 1]
        while e + 4 <= end:  # four rows at a time: their cache misses overlap
            w0, w1 = scale * weights[e], scale * weights[e + 1]
            w2, w3 = scale * weights[e + 2], scale * weights[e + 3]
            z0, z1 = Z[numba.uint32(columns[e])], Z[numba.uint32(columns[e + 1])]
            z2, z3 = Z[numba.uint32(columns[e + 2])], Z[numba.uint32(columns[e + 3])]
            for c in range(b):
                total[c] -= w0 * z0[c] + w1 * z1[c] + w2 * z2[c] + w3 * z3[c]
            e += 4
        while e < end:
            w0, z0 = scale * weights[e], Z[numba.uint32(columns[e])]
            for c in range(b):
                total[c] -= w0 * z0[c]
            e += 1
