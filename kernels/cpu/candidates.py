"""Candidates that several machines found, merged."""

import numba
import numpy as np

from kernels.cpu._heaps import keep


@numba.njit(parallel=True, cache=True)
def merge_candidates(counts, scores, names, values, columns):
    """Let candidates into the heaps of `kernels.cpu.knn.keep_nearest`.

    Parameters
    ----------
    counts : (r,) int32
        Candidates of each row.
    scores, names : (counts.sum(),) float32, (counts.sum(),) int32
        Their scores and columns, one row's after the other's; none is in a heap yet.
    values, columns : (r, m) float32, (r, m) int32
        A heap a row, updated in place.
    """
    ends = np.cumsum(counts)
    for i in numba.prange(counts.shape[0]):
        for c in range(ends[i] - counts[i], ends[i]):
            keep(scores[c], names[c], values[i], columns[i])
