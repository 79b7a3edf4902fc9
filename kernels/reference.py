"""Reference implementation of each kernel in a few lines of NumPy: slow, used by tests only."""

import numpy as np


def keep_nearest(products, half_norms, first_column, values, columns):
    """What `kernels.cpu.knn.keep_nearest` does, by sorting everything."""
    for i in range(len(products)):
        both = np.concatenate([values[i], half_norms - products[i]])
        names = np.concatenate([columns[i], first_column + np.arange(products.shape[1])])
        order = np.argsort(both, kind="stable")[: values.shape[1]]
        values[i], columns[i] = both[order], names[order]


def keep_nearest_of_columns(products, half_norms, first_row, values, columns):
    """What `kernels.cpu.knn.keep_nearest_of_columns` does."""
    keep_nearest(products.T, half_norms, first_row, values, columns)


def rank_candidates(X, rows, starts, candidates, k):
    """What `kernels.cpu.knn.rank_candidates` does, one row at a time."""
    indices = np.empty((len(rows), k), np.int32)
    squared = np.empty((len(rows), k))
    for r, i in enumerate(rows):
        near = np.sort(candidates[starts[r] : starts[r + 1]])
        d2 = ((X[near].astype(np.float64) - X[i].astype(np.float64)) ** 2).sum(axis=1)
        order = np.argsort(d2, kind="stable")[:k]
        indices[r], squared[r] = near[order], d2[order]
    return indices, squared


def knn(X, k):
    """The k nearest other rows of each row by float64 differences, ties by row number."""
    n = len(X)
    everyone = np.concatenate([np.delete(np.arange(n), i) for i in range(n)])
    return rank_candidates(X, np.arange(n), np.arange(n + 1) * (n - 1), everyone, k)


def barycenter_weights(X, rows, indices, reg):
    """What `kernels.cpu.lle.barycenter_weights` does, one point at a time."""
    weights = np.empty(indices.shape)
    for r, i in enumerate(rows):
        C = X[indices[r]].astype(np.float64) - X[i].astype(np.float64)
        G = C @ C.T
        R = reg * np.trace(G) if np.trace(G) > 0 else reg
        w = np.linalg.solve(G + R * np.eye(len(G)), np.ones(len(G)))
        weights[r] = w / w.sum()
    return weights


def add_residual(starts, columns, weights, Z, V, scale, shift, decay, out):
    """What `kernels.cpu.lle.add_residual` does, with a dense matrix."""
    W = np.zeros((len(Z), len(Z)))
    np.add.at(W, (np.repeat(np.arange(len(Z)), np.diff(starts)), columns), weights)
    out[:] = scale * (Z - W @ Z) + shift * V + decay * out


def later_distances(X, step):
    """What `kernels.cpu.distances.later_distances` does for all rows at once, not rounded."""
    return np.sqrt(((X[:, None] - X) ** 2).sum(axis=-1)) / step


def guttman_sums(D, X):
    """What `kernels.cpu.smacof.guttman_sums` adds up over all folds, for X of shape (n, p)."""
    differences = X[:, None] - X
    d = np.sqrt((differences**2).sum(axis=-1))
    ratio = np.divide(D, d, out=np.zeros_like(d), where=d > 0)
    return (ratio[:, :, None] * differences).sum(axis=1), ((D - d) ** 2).sum() / 2


def group_distances(edges, sources, group):
    """What `kernels.cpu.shortest_paths.group_distances` returns, by Floyd (1962) and Warshall.

    Edges are an (n, n) array, infinite where there is none.
    """
    D = edges.astype(np.float64)
    np.fill_diagonal(D, 0)
    for k in range(len(D)):
        D = np.minimum(D, D[:, k, None] + D[k])
    return np.array([D[sources[g : g + group]].min(axis=0) for g in range(0, len(sources), group)])


def squared_products(D, vectors):
    """What `kernels.cpu.squared_pairs.squared_products` adds up over all strips."""
    return vectors @ D**2


def fourth_powers(D):
    """What `kernels.cpu.squared_pairs.fourth_powers` sums up over all strips."""
    return (np.triu(D) ** 4).sum()


def classical_scaling(D, k):
    """The k largest eigenvalues of -1/2 J D^2 J and their eigenvectors as columns."""
    J = np.eye(len(D)) - 1 / len(D)
    values, vectors = np.linalg.eigh(-0.5 * J @ D**2 @ J)
    return values[: -k - 1 : -1], vectors[:, : -k - 1 : -1]


def repulsive_sums(Y):
    """What `kernels.cpu.tsne.repulsive_sums` does, with an array of all pairs."""
    differences = Y[:, :, None] - Y[:, None]
    q = 1 / (1 + (differences**2).sum(axis=0))
    np.fill_diagonal(q, 0)
    return (q**2 * differences).sum(axis=2), q.sum(axis=1)


def attractive_sums(P, Y):
    """What `kernels.cpu.tsne.attractive_sums` does, for a dense P."""
    differences = Y[:, :, None] - Y[:, None]
    return (P / (1 + (differences**2).sum(axis=0)) * differences).sum(axis=2)


def divergence_sums(P, Y):
    """What `kernels.cpu.tsne.divergence_sums` does, for a dense P and the sum of all q."""
    q = 1 / (1 + ((Y[:, :, None] - Y[:, None]) ** 2).sum(axis=0))
    np.fill_diagonal(q, 0)
    seen = P > 0
    ratio = np.divide(P, q / q.sum(), out=np.ones_like(P), where=seen)
    return (P * np.log(ratio)).sum(axis=1)


def count_nearer(products, half_norms, first_column, scores, columns, counts):
    """What `kernels.cpu.ranks.count_nearer` adds up, with an array of (b, m, c)."""
    values, names = half_norms - products, first_column + np.arange(products.shape[1])
    values, own = values[:, None], columns[:, :, None]
    ahead = (values < scores[:, :, None]) | ((values == scores[:, :, None]) & (names < own))
    counts += (ahead & (names != own)).sum(axis=2, dtype=np.int32)


def descend_epoch(
    strata, starts, heads, tails, shares, bounds, Y, epoch, rate, a, b, repulsion, negatives, seed
):
    """What `kernels.cpu.umap.descend_epoch` does, one edge after the other."""
    count, tasks = strata.shape[:2]
    for s in range(count):
        for t in range(tasks):
            random = _split_mix(int(seed) + _finalised((epoch * count + s) * tasks + t))
            for e in range(starts[s, t], starts[s, t + 1]):
                if int(epoch * shares[e]) == int((epoch - 1) * shares[e]):
                    continue
                i, j = heads[e], tails[e]
                own = np.searchsorted(bounds, i, side="right") - 1
                other = strata[s, t].sum() - own
                d2 = ((Y[i] - Y[j]) ** 2).sum()
                if d2 > 0:
                    g = 2 * a * b * d2 ** (b - 1) / (1 + a * d2**b) * (Y[i] - Y[j])
                    Y[i] -= rate * g.clip(-4, 4)
                    Y[j] += rate * g.clip(-4, 4)
                for _ in range(negatives):
                    bits = next(random)
                    drawn = own if bits % (len(bounds) - 1) == 0 else other
                    size = int(bounds[drawn + 1] - bounds[drawn])
                    k = bounds[drawn] + ((bits >> 32) * size >> 32)
                    d2 = ((Y[i] - Y[k]) ** 2).sum()
                    if d2 > 0:
                        g = 2 * repulsion * b / ((0.001 + d2) * (1 + a * d2**b)) * (Y[i] - Y[k])
                        Y[i] += rate * g.clip(-4, 4)


def _split_mix(state):
    """SplitMix64, from the finalised state on (Steele, Lea & Flood 2014)."""
    state = _finalised(state)
    while True:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        yield _finalised(state)


def _finalised(x):
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)
