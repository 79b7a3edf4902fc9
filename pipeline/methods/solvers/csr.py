"""A sparse matrix as kernels take it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from kernels.backend import Backend


def csr_arrays(matrix: csr_array, backend: Backend) -> list[Any]:
    """Where each row starts in int64, columns in int32, and values: arrays of the backend.

    SciPy's own integers are of either size, as it sees fit.
    """
    starts, columns = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
    return [backend.to_device(part) for part in (starts, columns, matrix.data)]
