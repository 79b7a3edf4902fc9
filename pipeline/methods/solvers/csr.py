"""Compressed sparse rows as the kernels take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from kernels.backend import Backend


def csr_arrays(matrix: csr_array, backend: Backend) -> list[Any]:
    """Row pointers (int64), column indices (int32) and values of a matrix, arrays of the backend.

    SciPy's own integers have 32 or 64 bits, depending on the sizes of the matrix.
    """
    starts, columns = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
    return [backend.to_device(part) for part in (starts, columns, matrix.data)]
