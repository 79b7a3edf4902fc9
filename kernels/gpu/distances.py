"""Pairwise Euclidean distances from inner products; see `kernels.cpu.distances`."""

from __future__ import annotations

from kernels.cpu.distances import CANCELS
from kernels.gpu import cuda

TILE = 65536  # columns of a product: with as many rows as a strip has, 64 MB in float32
THREADS = 256
CONSTANTS = {"CANCELS": CANCELS, "HALF": 0.5, "THREADS": THREADS}


def later_distances(products, X, squared_norms, first_row, first_column, step, out):
    """Euclidean distances of some points to some later ones, in multiples of `step`.

    As `kernels.cpu.distances.later_distances`.
    """
    rows, columns = products.shape
    cuda.launch(
        "distances",
        "later_distances",
        (-(-columns // THREADS), rows),
        THREADS,
        (
            products,
            X,
            squared_norms,
            first_row,
            first_column,
            columns,
            X.shape[1],
            float(step),
            out,
            out.strides[0] // out.itemsize,
        ),
        REAL=products.dtype,
        VALUE=out.dtype,
        **CONSTANTS | {"HALF": 0.5 if out.dtype.kind == "u" else 0},
    )
