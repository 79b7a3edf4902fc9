"""Pairwise Euclidean distances from inner products."""

import numba
import numpy as np

# Below this share of |x_i|^2 + |x_j|^2 a squared distance is computed again by differences.
CANCELS = 2.0**-9
TILE = 2048  # columns of a product: with as many rows as a strip has, 2 MB in float32


# Reassociation lets the sums over features run in vector registers.
@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def later_distances(products, X, squared_norms, first_row, first_column, step, out):
    """Euclidean distances of some points to some later ones, in multiples of `step`.

    |x_i - x_j|^2 = |x_i|^2 + |x_j|^2 - 2 x_i.x_j loses digits where two points are close; such
    pairs are computed again from their differences.

    Parameters
    ----------
    products : (r, c) float32 or float64
        Inner products of points first_row, first_row + 1, ... with points first_column, ...
    X : (n, d), dtype of the products
        Centred points: norms much larger than distances would cost digits.
    squared_norms : (n,), dtype of the products
    first_row, first_column : int
    step : float
        Quantisation step.
    out : (r, c) uint16 or float64
        Updated in place for later points only; uint16 takes the nearest integer, and needs a step
        of more than the largest distance / 65535.5.

    Notes
    -----
    With u = 2^-24 in float32, 2^-53 in float64, the squared distance is off by about
    c u (|x_i|^2 + |x_j|^2) with c of a few units (measured, 1,280 features: below 2). What is not
    computed again is then off by less than 8 c u times the larger norm; if the step is twice the
    largest norm / 65535, that is 0.02 c steps in float32: far less than the rounding.
    """
    number = products.dtype.type
    zero, one, cancels, scale = number(0), number(1), number(CANCELS), number(1 / step)
    half = number(0.5 if out.dtype.type(0.5) == 0 else 0)  # only integers are rounded
    columns = products.shape[1]
    norms = squared_norms[first_column : first_column + columns]
    for i in range(products.shape[0]):
        x, norm = X[first_row + i], squared_norms[first_row + i]
        later = max(0, first_row + i + 1 - first_column)
        close = zero
        for j in range(later, columns):
            both = norm + norms[j]
            squared = both - number(2) * products[i, j]
            close += one if squared < cancels * both else zero
            out[i, j] = out.dtype.type(scale * np.sqrt(max(squared, zero)) + half)
        if close == 0:
            continue
        for j in range(later, columns):
            both = norm + norms[j]
            if both - number(2) * products[i, j] < cancels * both:
                y, squared = X[first_column + j], zero
                for f in range(x.size):
                    difference = x[f] - y[f]
                    squared += difference * difference
                out[i, j] = out.dtype.type(scale * np.sqrt(squared) + half)
