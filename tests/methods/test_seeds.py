"""Does another seed give another layout where an engine says so, and the same one elsewhere?"""

import numpy as np
import pytest

from pipeline.methods.embed import embed
from pipeline.methods.registry import METHODS


def _takes(engine, params):
    """Whether the parameters are of this engine, which knows names of others too."""
    choices = engine.load().choices
    return params.keys() <= engine.defaults().keys() and all(
        value in choices[name] or not isinstance(value, str) for name, value in params.items()
    )


SAME = 1e-3  # of the size of a layout: tolerances of eigensolvers
QUICK = {"tsne": {"max_iter": 300}, "umap": {"n_epochs": 30}, "mds": {"max_iter": 30}}
OTHERS = {  # parameters that may let the seed decide, or hide it
    "tsne": [{"init": "random"}],
    "umap": [{"init": "random"}],
    "mds": [{"init": "random"}],
    "lle": [{"eigen_solver": solver} for solver in ("inverse", "chebyshev", "arpack", "dense")],
    "isomap": [{"landmarks": 40}, {"eigen_solver": "arpack"}, {"eigen_solver": "dense"}],
}
CASES = [
    (method, name, params)
    for method, row in METHODS.items()
    for name, engine in row.engines.items()
    if "cpu" in engine.devices
    for params in ({}, *OTHERS.get(method, []))
    if _takes(engine, params)
]


@pytest.fixture(scope="module", name="X")
def three_blobs():
    """Three Gaussian blobs that the graph of 12 neighbours connects."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(240, 6)) + 3 * np.eye(6)[np.arange(240) % 3]).astype(np.float32)


@pytest.mark.parametrize(("method", "engine", "params"), CASES)
def test_another_seed_gives_another_layout_where_the_engine_is_stochastic(
    X, method, engine, params
):
    params = QUICK.get(method, {}) | params
    first, other = (
        embed(X, method=method, engine=engine, params=params, seed=seed, device="cpu").embedding
        for seed in (0, 1)
    )
    moved = np.abs(first - other).max() > SAME * np.abs(first).max()
    assert moved == METHODS[method].engines[engine].stochastic(**params)
