"""The options of each method in the configuration of a study, which its JSON schema is made of.

Parameters take their defaults from the engines' estimators, so that none are here.
"""

from typing import Annotated, Literal

from pydantic import Field, with_config
from typing_extensions import TypedDict  # the one of Python 3.11 is too old for pydantic

from pipeline.runtime.validation import (
    ENTRIES,
    NULL_IS_EMPTY,
    STRICT,
    Count,
    NonNegative,
    Positive,
    Subset,
)

AtLeastOne = Annotated[float, Field(ge=1)]
AtLeastTwo = Annotated[int, Field(ge=2, le=1_000_000_000)]
AtLeastThree = Annotated[int, Field(ge=3, le=1_000_000_000)]
EigenSolver = Literal["auto", "arpack", "dense"]
# Of every method.
LayoutSubset = Annotated[
    Subset | None,
    Field(description="Points to lay out at most, stratified by class; null lays out all."),
]
START = Field(
    description="before starts the layout after fine-tuning from the one before, so that what did "
    "not change stays where it was; the objective from its own start is told, too, for twice the "
    "time. Null starts each on its own."
)
Start = Annotated[Literal["before"] | None, START]
ENGINE = Field(description="Who computes it; auto, as if left out, takes the device's default.")


@with_config(STRICT)
class PCA(TypedDict, total=False):
    """Principal component analysis."""

    engine: Annotated[Literal["auto", "exact"], ENGINE]
    subset: LayoutSubset


@with_config(STRICT)
class TSNE(TypedDict, total=False):
    """t-distributed stochastic neighbour embedding."""

    engine: Annotated[Literal["auto", "opentsne", "exact", "cuml"], ENGINE]
    subset: LayoutSubset
    perplexity: AtLeastOne
    """Effective number of neighbours; needs three times as many in the graph."""
    early_exaggeration: AtLeastOne
    """Factor on the attraction during the first 250 iterations."""
    learning_rate: Positive | Literal["auto"]
    """auto is the number of points over the current exaggeration."""
    max_iter: Count
    """Iterations in all."""
    init: Literal["pca", "random"]
    """Start of the layout."""
    start: Start
    method: Literal["auto", "barnes_hut", "fft"]
    """How repulsion is approximated; auto takes Barnes-Hut below 10,000 points, else FFT."""
    angle: Annotated[float, Field(ge=0, le=1)]
    """Trade of accuracy for speed of Barnes-Hut; 0 is exact."""


@with_config(STRICT)
class UMAP(TypedDict, total=False):
    """Uniform manifold approximation and projection."""

    engine: Annotated[Literal["auto", "tunescope", "cuml"], ENGINE]
    subset: LayoutSubset
    n_neighbors: AtLeastTwo
    """Size of a local neighbourhood, the point itself included."""
    min_dist: NonNegative
    """How tightly points may be packed."""
    spread: Positive
    """Scale of the layout."""
    n_epochs: Count | None
    """Passes over the edges; null is 500 up to 10,000 points, else 200."""
    init: Literal["pca", "spectral", "random"]
    """Start of the layout."""
    start: Start
    learning_rate: Positive
    """First learning rate."""
    repulsion_strength: NonNegative
    """Weight of the repulsion."""
    negative_sample_rate: Count
    """Repelled points sampled for each attracted one."""


@with_config(STRICT)
class MDS(TypedDict, total=False):
    """Metric multidimensional scaling."""

    engine: Annotated[Literal["auto", "exact", "sklearn"], ENGINE]
    subset: LayoutSubset
    metric: Literal["euclidean"]
    """Distance whose values the layout approximates; a study always has features."""
    storage: Literal["auto", "memory", "disk", "recompute"]
    """Where the exact engine stores the pairwise distances, in 16 bits; auto takes the first of
    these that has room."""
    n_init: Count
    """Random starts, of which the best is kept; only with init random."""
    init: Literal["landmarks", "classical_mds", "random"]
    """Start of the layout: classical scaling, or random, or by landmarks, which the exact engine
    goes on with from classical scaling and which leaves few passes over all pairs."""
    landmarks: AtLeastThree | None
    """Points laid out among themselves, by which the exact engine places all others: for more
    points than pairs of them can be passed over; null passes over all pairs."""
    start: Start
    max_iter: Count
    """Iterations at most."""
    eps: NonNegative
    """Stop when the stress falls by less than this share of the squared distances in the layout."""
    normalized_stress: bool | Literal["auto"]
    """Whether the reported stress is Kruskal's stress-1; auto is false."""


@with_config(STRICT)
class LLE(TypedDict, total=False):
    """Locally linear embedding."""

    engine: Annotated[Literal["auto", "exact", "sklearn"], ENGINE]
    subset: LayoutSubset
    n_neighbors: Count
    """Neighbours that reconstruct a point."""
    reg: Positive
    """Regularisation of the weights, as a share of the trace."""
    eigen_solver: Literal["auto", "inverse", "chebyshev", "arpack", "dense"]
    """Of the engine exact auto, inverse (a factorisation) or chebyshev (products alone); of sklearn
    auto, arpack or dense."""
    tol: NonNegative
    """Of the engine exact, the sine of the largest angle between its plane and the true one; of
    sklearn, the tolerance of its arpack solver."""
    max_iter: Count
    """Block products of the engine exact, iterations of sklearn's arpack solver."""


@with_config(STRICT)
class Isomap(TypedDict, total=False):
    """Isometric mapping along geodesics."""

    engine: Annotated[Literal["auto", "exact", "sklearn"], ENGINE]
    subset: LayoutSubset
    n_neighbors: Count
    """Neighbours that make the graph of the geodesics."""
    landmarks: AtLeastThree | None
    """Points that the exact engine lays out by their geodesics, and all others by their geodesics
    to these; null uses all pairs."""
    storage: Literal["auto", "memory", "disk"]
    """Where the exact engine stores the pairwise geodesics, in 16 bits; auto takes disk only if
    memory is too small."""
    eigen_solver: EigenSolver
    """Solver of the engine sklearn."""
    tol: NonNegative
    """Of the engine exact, an eigenpair's residual as a share of the largest eigenvalue; of
    sklearn, the tolerance of its arpack solver."""
    max_iter: Count | None
    """Products of the engine exact, iterations of sklearn's arpack solver (null is its default)."""
    path_method: Literal["auto", "FW", "D"]
    """How the engine sklearn finds shortest paths."""


@with_config(ENTRIES)
class Methods(TypedDict, total=False):
    """The layouts to compute."""

    pca: Annotated[PCA | None, NULL_IS_EMPTY]
    tsne: Annotated[TSNE | None, NULL_IS_EMPTY]
    umap: Annotated[UMAP | None, NULL_IS_EMPTY]
    mds: Annotated[MDS | None, NULL_IS_EMPTY]
    lle: Annotated[LLE | None, NULL_IS_EMPTY]
    isomap: Annotated[Isomap | None, NULL_IS_EMPTY]
