"""Products of the squared distance matrix with vectors, and the sum of its squared entries."""

import numba
import numpy as np

from kernels.pairs import STRIP

PARTS = 16  # partial sums, whatever the number of threads: they round alike
STRIPS = 4 * PARTS  # multiplied without a check for interrupts: about a second
ROWS = 4  # a tile's rows share what is loaded of the vectors
COLUMNS = 512  # a tile of squares is 16 KB in float64: half of a first-level cache

# Sums in registers run in an order of LLVM's choice, the same in every run; numbers are finite.
_SUMS = {"reassoc", "contract", "nsz"}


@numba.njit(parallel=True, cache=True, fastmath=_SUMS)
def squared_products(values, starts, n, first_strip, last_strip, vectors, sums):
    """Accumulate the products of the symmetric matrix of squares with vectors, strip by strip.

    Each number is loaded once and serves its row and, by symmetry, its column.

    Parameters
    ----------
    values, starts, n
        As in `kernels.pairs.Pairs`.
    first_strip, last_strip : int
        The strips first_strip to last_strip - 1 are added.
    vectors : (b, n) float64
    sums : (PARTS, b, n) float64
        Updated in place; over all strips sums.sum(axis=0) grows by vectors @ squares.
    """
    for part in numba.prange(PARTS):
        squares = np.empty((ROWS, COLUMNS), np.float64)
        for s in range(first_strip + part, last_strip, PARTS):
            first = s * STRIP
            width = n - first
            strip = values[starts[s] : starts[s + 1]].reshape(-1, width)
            for top in range(0, strip.shape[0], ROWS):
                for left in range(top // COLUMNS * COLUMNS, width, COLUMNS):
                    columns = min(COLUMNS, width - left)
                    _square(strip, top, left, squares)
                    for b in range(vectors.shape[0]):
                        _add_tile(
                            squares,
                            vectors[b, first + left : first + left + columns],
                            vectors[b, first + top : first + top + ROWS],
                            sums[part, b, first + left : first + left + columns],
                            sums[part, b, first + top : first + top + ROWS],
                        )


@numba.njit(cache=True)
def _square(strip, top, left, squares):
    """Squares of a tile, zero where it lies below or on the diagonal.

    So does what is below the last row: only the last strip may be short, and it is a square.
    """
    columns = min(COLUMNS, strip.shape[1] - left)
    for r in range(ROWS):
        row = strip[min(top + r, strip.shape[0] - 1), left : left + columns]
        for c in range(columns):
            number = np.float64(row[c])
            squares[r, c] = number * number
        squares[r, : max(0, top + r + 1 - left)] = 0


@numba.njit(cache=True, fastmath=_SUMS)
def _add_tile(squares, x_columns, x_rows, y_columns, y_rows):
    """Add squares.T @ x_rows to y_columns and squares @ x_columns to y_rows."""
    last = x_rows.shape[0] - 1  # fewer than 4 at the end of the matrix: the other squares are zero
    x0, x1, x2, x3 = x_rows[0], x_rows[min(1, last)], x_rows[min(2, last)], x_rows[last]
    y0 = y1 = y2 = y3 = 0.0
    for c in range(x_columns.shape[0]):
        x = x_columns[c]
        y_columns[c] += (
            squares[0, c] * x0 + squares[1, c] * x1 + squares[2, c] * x2 + squares[3, c] * x3
        )
        y0 += squares[0, c] * x
        y1 += squares[1, c] * x
        y2 += squares[2, c] * x
        y3 += squares[3, c] * x
    y = (y0, y1, y2, y3)
    for r in range(last + 1):
        y_rows[r] += y[r]


@numba.njit(parallel=True, cache=True, fastmath=_SUMS)
def fourth_powers(values, starts, n, first_strip, last_strip, sums):
    """Sum the fourth powers of each strip's numbers above the diagonal.

    Parameters
    ----------
    values, starts, n, first_strip, last_strip
        As in `squared_products`.
    sums : (strips,) float64
        Filled from first_strip to last_strip - 1.
    """
    for s in numba.prange(first_strip, last_strip):
        strip = values[starts[s] : starts[s + 1]].reshape(-1, n - s * STRIP)
        total = 0.0
        for r in range(strip.shape[0]):
            for c in range(r + 1, strip.shape[1]):
                square = np.float64(strip[r, c]) * np.float64(strip[r, c])
                total += square * square
        sums[s] = total
