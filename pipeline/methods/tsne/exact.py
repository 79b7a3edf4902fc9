"""t-SNE with exact forces between all pairs and the exact divergence."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from kernels.backend import Backend, to_host
from pipeline.methods.solvers.csr import csr_arrays
from pipeline.methods.tsne.base import EARLY_ITERATIONS, BaseTSNE
from pipeline.neighbors.graph import Graph
from pipeline.runtime.device import backend_for
from pipeline.runtime.log import Progress, log
from pipeline.runtime.workers import Workers

MOMENTUM = 0.8
MAX_STEP = 5.0  # of a point in one iteration, as in openTSNE
EVERY = 50  # iterations between two divergences


class TSNE(BaseTSNE):
    """t-distributed stochastic neighbour embedding (van der Maaten & Hinton 2008), all pairs.

    Parameters, start and schedule are those of `pipeline.methods.tsne.opentsne.TSNE`, but nothing
    about the forces is approximated: each iteration sums over all n^2 pairs. On a GPU that is fast
    for any n whose layout one would look at; on a CPU up to about 20,000 points.

    Parameters
    ----------
    n_components : int
        1 or 2.
    perplexity : float
        Each point's affinities reach over its 3 x perplexity nearest neighbours.
    early_exaggeration : float
        Attraction is multiplied by this for the first 250 iterations.
    learning_rate : float or "auto"
        Of a quarter of the gradient, as in openTSNE; "auto" is n / early_exaggeration at first
        (Belkina et al. 2019) and n after it.
    max_iter : int
        Iterations in all, early ones included.
    init : {"pca", "random"} or (n, n_components) array
        "pca" is scaled to a standard deviation of 1e-4 (Kobak & Berens 2019); an array is used as
        it is, so that two layouts can start alike.
    device : {"auto", "cpu", "gpu"}
    random_state : int, RandomState or None

    Attributes
    ----------
    embedding_ : (n, n_components) float64
    kl_divergence_ : float
        Of the final layout from the affinities, exactly.
    n_iter_ : int
    diagnostics_ : dict
        effective_perplexity
            Median, min and max of all points, of the affinities.
        kl_divergence
            In float64 over all pairs.
        kl_divergence_is
            "exact".
        kl_divergences
            Every 50 iterations, of the layout before the step; forces as in the descent.
        gradient_norm
            At the final layout, in float64.
        n_iter
        pairs
            In each iteration.
        flops
            Of the repulsion, in all iterations.

    Notes
    -----
    Terms are float32, sums float64. The same input gives the same layout bit for bit, for any
    number of threads.
    """

    spreads = True

    def __init__(
        self,
        n_components=2,
        *,
        perplexity=30.0,
        early_exaggeration=12.0,
        learning_rate="auto",
        max_iter=750,
        init="pca",
        device="auto",
        random_state=None,
    ):
        self.n_components = n_components
        self.perplexity = perplexity
        self.early_exaggeration = early_exaggeration
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.init = init
        self.device = device
        self.random_state = random_state

    def _lay_out(
        self, X: np.ndarray, graph: Graph | None, workers: Workers | None = None
    ) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`; the graph needs k >= 3 x perplexity."""
        self._check_parameters(len(X))
        backend = backend_for(self.device if workers is None else "cpu")
        near = self._neighbors(X, graph, workers)
        n = len(X)
        pairs = n * (n - 1) // 2
        log.info(f"t-SNE: {n:,} points, {pairs:,} pairs in each of {self.max_iter} iterations")
        P, known = self._affinities(near, backend)
        divergence = Divergence(P, backend, workers)
        start = np.zeros((2, n))  # a second coordinate of 0 stays there and changes no distance
        start[: self.n_components] = self._start(X).T
        Y, divergences = minimise(
            divergence,
            backend.to_device(start),
            max_iter=self.max_iter,
            early_exaggeration=self.early_exaggeration,
            rates=self._rates(n),
        )
        gradient, total = divergence.gradient(Y)
        self.kl_divergence_ = divergence.value(Y, total)
        self.n_iter_ = self.max_iter
        self.diagnostics_ = known | {
            "kl_divergence": self.kl_divergence_,
            "kl_divergence_is": "exact",
            "kl_divergences": divergences,
            "gradient_norm": float(backend.xp.linalg.norm(gradient)),
            "n_iter": self.n_iter_,
            "pairs": pairs,
            "flops": 13 * n * n * self.max_iter,
        }
        return np.ascontiguousarray(to_host(Y)[: self.n_components].T)


class Divergence:
    """Kullback-Leibler divergence of a layout's similarities Q from the affinities P.

    Parameters
    ----------
    P : (n, n) csr_array of float64
        Symmetric, of sum 1.
    backend : Backend
    workers : Workers, optional
        Who sum the repulsion of all pairs.
    """

    def __init__(self, P: csr_array, backend: Backend, workers: Workers | None = None):
        self.backend, self._workers = backend, workers
        self._kernels = backend.kernels("tsne")
        self._P = csr_arrays(P, backend)

    def gradient(self, Y: Any, exaggeration: float = 1.0) -> tuple[Any, Any]:
        """Gradient at a layout, with P multiplied by `exaggeration`; and the sum of all q.

        4 (sum_j p_ij q_ij (y_i - y_j) - sum_j q_ij^2 (y_i - y_j) / Z) with Z = sum q_ij (van der
        Maaten & Hinton 2008, equation 5).

        Parameters
        ----------
        Y : (2, n) float32 or float64 array of the backend
        exaggeration : float

        Returns
        -------
        (2, n) float64, () float64
            Arrays of the backend: nothing waits for a GPU.
        """
        attraction = self._kernels.attractive_sums(*self._P, Y)
        repulsion, sums = self._repulsion(Y)
        total = sums.sum()
        return 4 * (exaggeration * attraction - repulsion / total), total

    def _repulsion(self, Y: Any) -> tuple[Any, Any]:
        n = Y.shape[1]
        if self._workers is None:
            return self._kernels.repulsive_sums(Y, 0, n)
        parts = self._workers.ask(_repulsion_of_part, self._workers.cut(n), self._workers.send(Y))
        forces, sums = zip(*parts, strict=True)
        return np.concatenate(forces, axis=1), np.concatenate(sums)

    def of_layout(self, layout: np.ndarray) -> float:
        """The divergence of a layout of one or two columns on the host, (n, 1) or (n, 2)."""
        Y = np.zeros((2, len(layout)))
        Y[: layout.shape[1]] = layout.T
        on_device = self.backend.to_device(Y)
        return self.value(on_device, self.gradient(on_device)[1])

    def value(self, Y: Any, total: Any) -> float:
        """The divergence at a layout, of which `total` is the sum of all q."""
        return float(self._kernels.divergence_sums(*self._P, Y, float(total)).sum())


def _repulsion_of_part(
    backend: Backend, part: tuple[int, int], Y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    forces, sums = backend.kernels("tsne").repulsive_sums(backend.to_device(Y), *part)
    return to_host(forces), to_host(sums)


def minimise(
    divergence: Divergence,
    Y: Any,
    *,
    max_iter: int,
    early_exaggeration: float,
    rates: tuple[float, float],
) -> tuple[Any, list[float]]:
    """Descend with momentum and a gain for each coordinate (Jacobs 1988), as openTSNE does.

    Parameters
    ----------
    divergence : Divergence
    Y : (2, n) float64 array of the divergence's backend
        Start.
    max_iter : int
    early_exaggeration : float
    rates : (float, float)
        Learning rates of a quarter of the gradient, during early exaggeration and after it.

    Returns
    -------
    (2, n) float64
        Centred.
    list of float
        The divergence every 50 iterations.
    """
    xp = divergence.backend.xp
    step, gains = xp.zeros_like(Y), xp.ones_like(Y)
    values = []
    progress = Progress("t-SNE", max_iter)
    for iteration in range(1, max_iter + 1):
        early = iteration <= EARLY_ITERATIONS
        exaggeration, rate = (early_exaggeration, rates[0]) if early else (1.0, rates[1])
        coordinates = Y.astype(np.float32)
        gradient, total = divergence.gradient(coordinates, exaggeration)
        turned = xp.sign(step) != xp.sign(gradient)  # towards the minimum: they should differ
        gains = xp.where(turned, gains + 0.2, 0.8 * gains + 0.01)
        step = MOMENTUM * step - rate / 4 * gains * gradient
        step /= xp.maximum(xp.linalg.norm(step, axis=0) / MAX_STEP, 1.0)
        Y = Y + step
        Y -= Y.mean(axis=1, keepdims=True)
        if iteration % EVERY == 0:  # the only time that a GPU is waited for
            values.append(divergence.value(coordinates, total))
            progress.postfix = f"divergence {values[-1]:.4f}"
            progress.update(EVERY)
    return Y, values
