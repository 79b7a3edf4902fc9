"""Do the estimators of cuML ask it for what the user asked, and say clearly when it is missing?

cuML needs a GPU. A stand-in takes its place here, which keeps what it was given and computes what
can be checked of it; the tests marked gpu run cuML itself against the engines of the CPU.
"""

import subprocess
import sys
from types import ModuleType, SimpleNamespace

import cuda_on_host
import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.special import entr
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness

from kernels.gpu import cuda
from pipeline.errors import InputError
from pipeline.measures.votes import knn_accuracy
from pipeline.methods.embed import embed
from pipeline.methods.pca import exact as pca
from pipeline.methods.tsne import cuml as cuml_tsne
from pipeline.methods.tsne import opentsne as tsne
from pipeline.methods.umap import cuml as cuml_umap
from pipeline.methods.umap import resources as umap_resources
from pipeline.methods.umap import tunescope as umap
from pipeline.neighbors.graph import Graph, knn_graph
from pipeline.neighbors.layout_neighbors import layout_neighbors
from pipeline.neighbors.scale import scale_features

PAIRS = {cuml_tsne.TSNE: tsne.TSNE, cuml_umap.UMAP: umap.UMAP}
MINE = list(PAIRS)


@pytest.fixture(scope="module", name="X")
def features():
    random = np.random.default_rng(0)
    return (random.normal(size=(400, 6)) * [5, 4, 3, 1, 1, 1]).astype(np.float32)


@pytest.fixture(scope="module")
def graph(X):
    return knn_graph(X, k=90)


# ---- the stand-in


class StandIn:
    """Keeps its arguments, as attributes, and those of every instance in `made`."""

    made: list

    def __init__(self, **given):
        self.__dict__.update(given)
        self.given = given
        self.made.append(self)


class StandInUMAP(StandIn):
    def fit_transform(self, X):
        n = len(X)
        self.graph_ = coo_matrix((np.ones(n, np.float32), (np.arange(n), np.arange(n))))
        print("[2026-10-14 09:30:00.000] [CUML] [info] nothing to tell")
        print("[2026-10-14 09:30:00.000] [CUML] [warning] Spectral initialization failed")
        return X[:, :2] if isinstance(self.init, str) else self.init


class StandInTSNE(StandIn):
    def fit_transform(self, X):
        self.X, self.n_iter_ = X, self.max_iter
        return np.asarray(X, np.float32)


@pytest.fixture
def made(monkeypatch):
    """Put stand-ins where cuML and CuPy would be; what the former made."""
    modules = {name: ModuleType(name) for name in ("cuml", "cuml.manifold")}
    modules["cuml.manifold"].UMAP = StandInUMAP
    modules["cuml.manifold"].TSNE = StandInTSNE
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    for name, instead in {
        "array_module": lambda: cuda_on_host.xp,
        "problem": lambda: None,
        "free_memory": lambda: 10**10,
    }.items():
        monkeypatch.setattr(cuda, name, instead)
    made = []
    monkeypatch.setattr(StandIn, "made", made, raising=False)
    return made


def made_by(made, cls):
    return next(engine for engine in made if isinstance(engine, cls))


# ---- without cuML


def test_import_needs_no_cuml():
    code = (
        "import sys; from pipeline.methods.tsne import cuml;"
        "from pipeline.methods.umap import cuml;"
        "sys.exit(any(name in sys.modules for name in ('cuml', 'cupy')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("cls", MINE)
def test_without_a_gpu_one_sentence(cls, X, monkeypatch):
    monkeypatch.setattr(cuda, "problem", lambda: "no")
    with pytest.raises(InputError, match=r"finds no GPU here: install cuml-cu12 or cuml-cu13 "):
        cls().fit_transform(X)


@pytest.mark.parametrize("cls", MINE)
def test_without_cuml_the_same_sentence(cls, X, monkeypatch):
    monkeypatch.setattr(cuda, "problem", lambda: None)
    monkeypatch.setitem(sys.modules, "cuml", None)
    with pytest.raises(InputError, match=r"cuml.* here: install .* or choose another engine"):
        cls().fit_transform(X)


@pytest.mark.parametrize(
    ("cls", "params", "words"),
    [
        (cuml_tsne.TSNE, {"init": np.zeros((400, 2))}, "init of TSNE is array.*'pca' or 'random'"),
        (cuml_tsne.TSNE, {"init": "spectral"}, "init of TSNE is 'spectral'"),
        (
            cuml_tsne.TSNE,
            {"method": "barnes_hut"},
            "method of TSNE is 'barnes_hut'.*'auto' or 'fft'",
        ),
        (cuml_tsne.TSNE, {"perplexity": 341}, "perplexity is 341.*1023.*enough for 340"),
        (cuml_tsne.TSNE, {"n_components": 1}, "n_components of TSNE is 1 "),
        (cuml_tsne.TSNE, {"learning_rate": 0}, "learning_rate of TSNE is 0 "),
        (cuml_umap.UMAP, {"init": "pcs"}, "init of UMAP is 'pcs'"),
        (cuml_umap.UMAP, {"init": np.zeros((4, 2))}, r"init of UMAP has shape \(4, 2\)"),
        (cuml_umap.UMAP, {"min_dist": 2}, "min_dist of UMAP is 2 but must be at most spread, 1"),
    ],
)
def test_a_wrong_parameter_is_named_before_cuml_is_looked_for(cls, params, words, X):
    with pytest.raises(ValueError, match=words):
        cls(**params).fit_transform(X)


@pytest.mark.parametrize("cls", MINE)
def test_parameters_and_defaults_of_the_engine_of_the_cpu(cls):
    theirs = PAIRS[cls]().get_params()
    mine = cls().get_params()
    assert mine.items() <= theirs.items()
    assert theirs.keys() - mine.keys() <= {"angle", "n_jobs"}
    clone(cls())


# ---- with the stand-in


def test_tsne_asks_for_what_was_asked(X, graph, made):
    estimator = cuml_tsne.TSNE(
        perplexity=20, early_exaggeration=8, max_iter=600, random_state=5, method="fft"
    )
    estimator.fit_transform(X, graph=graph)
    given = dict(made_by(made, StandInTSNE).given)
    indices, distances = given.pop("precomputed_knn")
    assert given == {
        "n_components": 2,
        "perplexity": 20,
        "early_exaggeration": 8,
        "learning_rate": 50.0,
        "learning_rate_method": "none",
        "max_iter": 600,
        "exaggeration_iter": 250,
        "pre_momentum": 0.8,
        "post_momentum": 0.8,
        "min_grad_norm": 0.0,
        "init": "pca",
        "method": "fft",
        "n_neighbors": 61,
        "square_distances": False,
        "random_state": 5,
        "output_type": "numpy",
    }
    assert distances.dtype == np.float32
    assert np.array_equal(indices[:, 0], np.arange(400))  # cuML refuses anything else
    assert np.array_equal(indices[:, 1:], graph.indices[:, :60])
    assert estimator.diagnostics_ == {"learning_rates": [50.0, 100.0], "n_iter": 600}


def test_tsne_learning_rate_as_a_number(X, graph, made):
    cuml_tsne.TSNE(learning_rate=123.0).fit_transform(X, graph=graph)
    assert made_by(made, StandInTSNE).learning_rate == 123.0


def sigmas(squared, perplexity):
    """cuML's affinities of each point (its `sigmas_kernel`, in float32), itself included."""
    D = np.asarray(squared, np.float32)
    D = D / np.abs(D).max()
    beta, low, high = (np.full((len(D), 1), v, np.float32) for v in (1, -np.inf, np.inf))
    for _ in range(100):
        P = np.exp(-beta * D)
        total = P.sum(axis=1, keepdims=True, dtype=np.float32) + np.finfo(np.float32).eps
        P /= total
        excess = np.log(total) + beta * (D * P).sum(axis=1, keepdims=True) - np.log(perplexity)
        more, less = excess > 1e-5, excess < -1e-5
        low, high = np.where(more, beta, low), np.where(less, beta, high)
        up = np.where(np.isinf(high), 2 * beta, (beta + high) / 2)
        down = np.where(np.isinf(low), beta / 2, (beta + low) / 2)
        beta = np.where(more, up, np.where(less, down, beta)).astype(np.float32)
    return P


def affinities(distances, perplexity):
    """The definition: those of the neighbours alone, with that perplexity, in float64."""
    D = distances.astype(np.float64) ** 2
    D -= D[:, :1]
    low, high = (np.full((len(D), 1), v) for v in (1e-12, 1e12))
    for _ in range(200):
        beta = np.sqrt(low * high)
        P = np.exp(-beta * D)
        P /= P.sum(axis=1, keepdims=True)
        wide = entr(P).sum(axis=1, keepdims=True) > np.log(perplexity)
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
    return P


@pytest.fixture(scope="module")
def samples():
    """Points and their graphs, made where no stand-in is in the way."""
    random = np.random.default_rng(1)
    points = {
        "gaussian": random.normal(size=(300, 5)),
        "many dimensions": random.normal(size=(300, 2000)),
        "two densities": random.normal(size=(300, 5)) * ([[1e-3], [1.0]] * 150),
        "duplicates": np.repeat(random.normal(size=(75, 5)), 4, axis=0),
        "all neighbours coincide": np.repeat(random.normal(size=(3, 5)), 100, axis=0),
    }
    return {name: (X, knn_graph(X, k=90)) for name, X in points.items()}


@pytest.mark.parametrize("sample", ["gaussian", "many dimensions", "two densities", "duplicates"])
def test_tsne_affinities_have_the_perplexity(sample, samples, made):
    """cuML counts a point among its neighbours, which would bend its affinities."""
    X, graph = samples[sample]
    cuml_tsne.TSNE(perplexity=30).fit_transform(X, graph=graph)
    _, squared = made_by(made, StandInTSNE).precomputed_knn
    found, wanted = sigmas(squared, 30), affinities(graph.distances, 30)
    assert found[:, 0].max() == 0  # of itself
    assert np.abs(found[:, 1:] - wanted).max() < 2e-4
    # As cuML is meant to be called, for comparison: what a point keeps for itself.
    raw = sigmas(np.hstack([np.zeros((300, 1)), graph.distances**2]), 30)
    assert np.median(raw[:, 0]) > 0.05


def test_tsne_where_all_neighbours_coincide(samples, made):
    X, graph = samples["all neighbours coincide"]
    cuml_tsne.TSNE(perplexity=30).fit_transform(X, graph=graph)
    _, squared = made_by(made, StandInTSNE).precomputed_knn
    assert np.allclose(sigmas(squared, 30)[:, 1:], 1 / 90)


@pytest.mark.parametrize("init", ["pca", "random"])
def test_tsne_starts_as_on_the_cpu(init, X, graph, made):
    """cuML starts from the principal axes of what it is given, at a deviation of 1e-4."""
    estimator = cuml_tsne.TSNE(init=init, random_state=3)
    estimator.fit_transform(X, graph=graph)
    columns = made_by(made, StandInTSNE).X.astype(np.float64)
    wanted = tsne.TSNE(init=init, random_state=3)._start(X)
    if init == "pca":
        found = 1e-4 * pca.PCA(2).fit_transform(columns)
        assert np.allclose(found, wanted - wanted.mean(axis=0), atol=2e-6)  # noise turns the axes
    assert np.allclose(columns * wanted[:, 0].std(), wanted, atol=1e-10)


def test_umap_asks_for_what_was_asked(X, graph, made):
    estimator = cuml_umap.UMAP(
        n_neighbors=7,
        min_dist=0.3,
        spread=1.5,
        learning_rate=0.5,
        repulsion_strength=2.0,
        negative_sample_rate=3,
        init="random",
        random_state=4,
    )
    with pytest.warns(UserWarning, match="cuML: Spectral initialization failed"):
        estimator.fit_transform(X, graph=graph)
    (engine,) = made
    given = dict(engine.given)
    indices, distances = given.pop("precomputed_knn")
    assert given == {
        "n_components": 2,
        "n_neighbors": 7,
        "min_dist": 0.3,
        "spread": 1.5,
        "n_epochs": 500,
        "init": "random",
        "learning_rate": 0.5,
        "repulsion_strength": 2.0,
        "negative_sample_rate": 3,
        "random_state": 4,
        "force_serial_epochs": True,
        "output_type": "numpy",
    }
    itself = np.arange(400)[:, None]
    assert np.array_equal(indices, np.hstack([itself, graph.indices[:, :6]]))
    scaled = np.ldexp(graph.distances[:, :6], -scale_features(X).exponent)
    assert np.array_equal(distances, np.hstack([0 * itself, scaled]))
    assert estimator.graph_.shape == (400, 400)
    assert estimator.diagnostics_ == {"n_iter": 500, "loss": estimator.diagnostics_["loss"]}


def umap_learns_start(monkeypatch, X, graph, **params):
    """What umap-learn's descent gets, box and all."""
    import umap.umap_ as library

    seen = SimpleNamespace()

    def descend(embedding, *_, **__):
        seen.start = embedding.copy()
        return embedding

    monkeypatch.setattr(library, "optimize_layout_euclidean", descend)
    umap.UMAP(**params).fit_transform(X, graph=graph)
    return seen.start


@pytest.mark.filterwarnings("ignore:cuML")
@pytest.mark.parametrize("init", ["pca", np.random.default_rng(5).normal(size=(400, 2))])
def test_umap_starts_as_on_the_cpu(init, X, graph, made, monkeypatch):
    params = {"init": init, "random_state": 1, "n_epochs": 20}
    found = cuml_umap.UMAP(**params).fit_transform(X, graph=graph)
    assert found.dtype == np.float32
    wanted = umap_learns_start(monkeypatch, X, graph, **params)
    assert np.allclose(found, wanted, atol=2e-3)  # another draw of the same small noise


@pytest.mark.filterwarnings("ignore:cuML")
@pytest.mark.parametrize("cls", [cuml_tsne.TSNE, cuml_umap.UMAP])
def test_a_graph_that_is_not_given_is_computed_on_the_gpu(cls, X, graph, made, monkeypatch):
    asked = []

    def compute(X, **given):
        asked.append(given)
        return graph

    monkeypatch.setattr("pipeline.methods.base.knn_graph", compute)
    cls().fit_transform(X)
    k = 90 if cls is cuml_tsne.TSNE else 14
    assert asked == [{"k": k, "device": "gpu", "client": None}]


def test_a_graph_too_small_is_named(X, graph, made):
    small = Graph(graph.indices[:, :5], graph.distances[:, :5])
    with pytest.raises(InputError, match="perplexity 30 needs 90 neighbours"):
        cuml_tsne.TSNE().fit_transform(X, graph=small)
    with pytest.raises(InputError, match="n_neighbors 15 needs 14 neighbours"):
        cuml_umap.UMAP().fit_transform(X, graph=small)


def test_what_cuml_says_reaches_the_record(X, graph, made, monkeypatch, capfd):
    monkeypatch.setattr(umap_resources.CuML, "memory", lambda *_, **__: 1e6)
    layout = embed(X, method="umap", engine="cuml", graph=graph, device="gpu")
    assert layout.info["warnings"] == ["cuML: Spectral initialization failed"]
    assert layout.info["library"] == "cuML"
    assert layout.info["device"] == "gpu"
    assert "CUML" not in capfd.readouterr().out


# ---- cuML itself


@pytest.fixture(scope="module")
def digits():
    """Images, labels and graph; skipped where cuML cannot run."""
    pytest.importorskip("cuml", reason="RAPIDS cuML is not installed")
    if problem := cuda.problem():
        pytest.skip(problem)
    images = load_digits()
    X = images.data.astype(np.float32)
    return X, images.target, knn_graph(X, k=90)


@pytest.mark.gpu
@pytest.mark.filterwarnings("default")
class TestOnAGPU:
    @pytest.mark.parametrize(
        ("cls", "params"),
        [
            (cuml_tsne.TSNE, {}),
            (cuml_tsne.TSNE, {"init": "random"}),
            (cuml_umap.UMAP, {}),
            (cuml_umap.UMAP, {"init": "spectral"}),
        ],
    )
    def test_as_good_as_on_the_cpu(self, cls, params, digits):
        X, labels, graph = digits
        mine, theirs = (
            one(**params, random_state=0).fit_transform(X, graph=graph) for one in (cls, PAIRS[cls])
        )
        accuracy = [knn_accuracy(layout_neighbors(Y), labels) for Y in (mine, theirs)]
        trust = [trustworthiness(X, Y, n_neighbors=15) for Y in (mine, theirs)]
        assert accuracy[0] > accuracy[1] - 0.02
        assert trust[0] > trust[1] - 0.01

    @pytest.mark.parametrize("cls", MINE)
    def test_same_seed_same_layout(self, cls, digits):
        X, _, graph = digits
        first, again = (cls(random_state=0).fit_transform(X, graph=graph) for _ in range(2))
        assert np.array_equal(first, again)

    def test_tsne_ran_to_the_end(self, digits):
        X, _, graph = digits
        assert cuml_tsne.TSNE(max_iter=300, random_state=0).fit(X, graph=graph).n_iter_ == 300
