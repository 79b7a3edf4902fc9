"""Metric scaling by landmarks: some points among themselves, all others by these.

The landmarks are laid out by SMACOF; every other point is put where its distances to them fit best,
which takes n m operations for m landmarks. As a start of all pairs it leaves fewer passes to do,
and as a rule ends in minima no higher than those that classical scaling leads to.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kernels.backend import Backend, get_backend, to_host
from pipeline.methods.mds import initialization, smacof
from pipeline.methods.mds.distances import Points, centred_points, euclidean_distances
from pipeline.neighbors.tiles import multiply, strips

START = 2000  # landmarks of a start: more take longer and save no further pass
# Of the landmarks' root mean square, what a step may move a point that is left where it is.
TOLERANCE = 1e-4
STEPS = 300  # of a point at most


class Placed(NamedTuple):
    """A layout by landmarks.

    Attributes
    ----------
    layout : (n, p) float64
        In the scale of the points.
    stress : float
        Raw stress of all pairs with a landmark, in the scale of the features.
    stress_1 : float
        Its root as a share of the squared distances of these pairs in the layout.
    n_iter, converged
        Of the landmarks.
    """

    layout: np.ndarray
    stress: float
    stress_1: float
    n_iter: int
    converged: bool


def spread_out(coordinates: np.ndarray, m: int) -> np.ndarray:
    """Numbers of m points that are spread as all are, along their first coordinate.

    Not drawn: no seed changes the start.

    Parameters
    ----------
    coordinates : (n, p) float64
    m : int
        At most n.

    Returns
    -------
    (m,) int64
        Ascending.
    """
    order = np.argsort(coordinates[:, 0], kind="stable")
    return np.sort(order[np.linspace(0, len(order) - 1, m).round().astype(int)])


def place_by_landmarks(
    points: Points,
    landmarks: np.ndarray,
    coordinates: np.ndarray,
    *,
    max_iter: int,
    eps: float,
) -> Placed:
    """Lay all points out by some of them.

    Parameters
    ----------
    points : Points
        All, with float32 coordinates.
    landmarks : (m,) int64
        Numbers of some.
    coordinates : (n, p) float64
        Principal coordinates, p at most 2: those of the landmarks start SMACOF, which moves them;
        the affine map that comes nearest to this starts all others.
    max_iter, eps
        Of the landmarks, see `smacof.minimise_stress`.

    Returns
    -------
    Placed
    """
    backend = points.backend
    some = centred_points(to_host(points.Z[landmarks]), np.dtype(np.float32), backend)
    distances = euclidean_distances(some, storage="memory")
    start = initialization.rescale(coordinates[landmarks], distances.precision)
    result = smacof.minimise_stress(
        distances, backend.to_device(start), max_iter=max_iter, eps=eps, name="MDS, landmarks"
    )
    placed = np.asarray(to_host(result.X), np.float64) * distances.step
    placed -= placed.mean(axis=0)
    layout = _affine(coordinates, coordinates[landmarks], placed)
    stress = _place_others(points, landmarks, placed, layout, backend)
    layout[landmarks] = placed
    # The landmarks themselves are among those that were placed: each pair of two of them once.
    others = np.setdiff1d(np.arange(len(layout)), landmarks)
    raw = float(stress[others].sum()) + result.stress * distances.step**2
    # The landmarks are centred: squared distances to them are m |y|^2 + sum |l|^2.
    own = float(np.square(placed).sum())
    squares = len(landmarks) * (float(np.square(layout[others]).sum()) + own) + len(others) * own
    stress_1 = (raw / squares) ** 0.5 if squares else 0.0
    return Placed(layout, raw / points.scale**2, stress_1, result.n_iter, result.converged)


def _affine(x: np.ndarray, some: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Points x under the affine map that takes some of them nearest to where they are."""

    def with_ones(a: np.ndarray) -> np.ndarray:
        return np.column_stack([a, np.ones(len(a))])

    return with_ones(x) @ np.linalg.lstsq(with_ones(some), there, rcond=None)[0]


def _place_others(
    points: Points, landmarks: np.ndarray, placed: np.ndarray, layout: np.ndarray, backend: Backend
) -> np.ndarray:
    """Move each point to where its distances to the landmarks fit best; the stress of each."""
    place_points = get_backend("cpu").kernels("placement").place_points
    xp = backend.xp
    near, own = points.Z[landmarks], points.squared_norms[landmarks]
    fixed, start = _in_plane(placed), _in_plane(layout)
    stress = np.empty(len(layout))
    tolerance = TOLERANCE * float(np.sqrt(np.square(placed).sum(axis=1).mean()))
    for rows in strips(len(layout)):
        squared = xp.empty((rows.stop - rows.start, len(landmarks)), np.float32)
        multiply(points.Z[rows], near, squared, backend)
        squared *= -2
        squared += points.squared_norms[rows][:, None]
        squared += own
        distances = to_host(xp.sqrt(xp.maximum(squared, 0)))
        found, stress[rows] = place_points(
            distances, fixed, start[:, rows].T.copy(), tolerance, STEPS
        )
        layout[rows] = found[:, : layout.shape[1]]
    return stress


def _in_plane(layout: Any) -> np.ndarray:
    """Coordinates as (2, n) float32; those of a line have 0 for the second, which changes none."""
    plane = np.zeros((2, len(layout)), np.float32)
    plane[: layout.shape[1]] = layout.T
    return plane
