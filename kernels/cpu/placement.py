"""Placing points one by one among landmarks that stay, by majorisation of their own stress."""

import numba
import numpy as np


@numba.njit(parallel=True, cache=True)
def place_points(distances, landmarks, start, tolerance, max_iter):
    """Place each point where its distances to the landmarks fit best.

    A point y among m landmarks l_j that stay, from which it should be at distances delta_j, has
    the stress sum_j (delta_j - |y - l_j|)^2. Each step replaces y by

        mean_j (l_j + delta_j (y - l_j) / |y - l_j|),

    the Guttman transform with all other points fixed, which never raises it (de Leeuw 1977; for
    points out of the sample Trosset & Priebe 2008).

    Parameters
    ----------
    distances : (r, m) float32
    landmarks : (2, m) float32
    start : (r, 2) float32
        One for each point.
    tolerance : float
        A point is left when a step moves it by no more than this.
    max_iter : int
        Steps of a point at most.

    Returns
    -------
    layout : (r, 2) float32
    stress : (r,) float64
        Of each point, at the last step but one.
    """
    layout, stress = np.empty((distances.shape[0], 2), np.float32), np.empty(distances.shape[0])
    x_landmarks, y_landmarks = landmarks[0], landmarks[1]
    for i in numba.prange(distances.shape[0]):
        x, y = start[i, 0], start[i, 1]
        for _ in range(max_iter):
            x_new, y_new, stress[i] = _step(distances[i], x_landmarks, y_landmarks, x, y)
            moved = (x_new - x) ** 2 + (y_new - y) ** 2
            x, y = x_new, y_new
            if moved <= tolerance**2:
                break
        layout[i, 0], layout[i, 1] = x, y
    return layout, stress


# As in `kernels.cpu.tsne`: reassociation for vector registers, and no check of divisors.
@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _step(distances, x_landmarks, y_landmarks, x, y):
    """The next place of a point at (x, y), and its stress there."""
    m = distances.shape[0]
    tiny = np.float32(1e-20)  # stands for a squared distance of 0
    x_sum = y_sum = stress = np.float32(0)
    for j in range(m):
        dx, dy = x - x_landmarks[j], y - y_landmarks[j]
        d = np.sqrt(max(dx * dx + dy * dy, tiny))
        error = distances[j] - d
        ratio = error / d  # less the own direction: y + mean (ratio (y - l))
        stress += error * error
        x_sum += ratio * dx
        y_sum += ratio * dy
    share = np.float32(1.0 / m)
    return x + share * x_sum, y + share * y_sum, np.float64(stress)
