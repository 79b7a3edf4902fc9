"""Each kernel in a few lines of NumPy: slow, obviously right, used by tests only."""

import numpy as np


def keep_nearest(products, half_norms, first_column, values, columns):
    """What `kernels.cpu.knn.keep_nearest` does, by sorting everything."""
    for i in range(len(products)):
        both = np.concatenate([values[i], half_norms - products[i]])
        names = np.concatenate([columns[i], first_column + np.arange(products.shape[1])])
        order = np.argsort(both, kind="stable")[: values.shape[1]]
        values[i], columns[i] = both[order], names[order]


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
