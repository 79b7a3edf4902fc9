"""Does embed choose, check, refuse and report as it says?"""

import inspect
import json
import subprocess
import sys

import numpy as np
import pytest

from kernels.gpu import cuda
from pipeline.errors import InputError
from pipeline.images.subset import stratified_subset
from pipeline.methods import embed as embed_module
from pipeline.methods.embed import embed, preflight
from pipeline.methods.engine import Engine
from pipeline.methods.pca.exact import PCA
from pipeline.methods.registry import METHODS, Method, engine_name
from pipeline.neighbors.graph import Graph, knn_graph
from pipeline.runtime.memory import available_memory

GB = 10**9


def engine_of(method, device="auto"):
    return METHODS[method].engines[engine_name(method, device=device)]


@pytest.fixture(scope="module", name="X")
def features():
    return np.random.default_rng(0).normal(size=(120, 8)).astype(np.float32)


@pytest.fixture
def memory(monkeypatch):
    """Pretend that so many bytes of the host are free."""

    def pretend(free):
        monkeypatch.setattr(
            embed_module,
            "available_memory",
            lambda device: free if device == "cpu" else available_memory(device),
        )

    return pretend


def test_a_layout_and_its_record(X):
    layout = embed(X, method="pca", seed=3)
    assert layout.embedding.dtype == np.float32
    expected = PCA().fit_transform(X)
    assert np.allclose(np.ldexp(layout.embedding, layout.info["exponent"]), expected, atol=1e-5)
    assert layout.engine == "exact"
    info = json.loads(json.dumps(layout.info))
    assert info["library"] == "Tunescope"
    assert info["parameters"] == {}
    assert info["seed"] == 3
    assert info["warnings"] == []
    assert len(info["explained_variance_ratio"]) == 2


def test_methods_in_the_order_of_the_figure():
    assert list(METHODS) == ["pca", "tsne", "umap", "mds", "lle", "isomap"]
    for method in METHODS.values():
        assert not method.parameters() & {"self", "random_state", "n_components", "n_jobs"}


def test_parameters_and_diagnostics_reach_the_record(X):
    info = embed(X, method="mds", params={"max_iter": 3}).info
    assert info["parameters"]["max_iter"] == 3
    assert info["parameters"]["eps"] == 1e-6
    assert info["n_iter"] == 3
    assert 0 < info["stress_1"] < 1


def test_warnings_reach_the_record_and_not_the_terminal(X, recwarn, capfd):
    two = np.vstack([X, X + 1000])
    for method in ("lle", "isomap"):
        info = embed(two, method=method, engine="sklearn").info
        assert info["components"] == 2
        assert any("2" in line for line in info["warnings"])
    assert embed(X, method="mds", params={"max_iter": 2}).info["warnings"] == [
        "MDS stopped after max_iter = 2 passes before eps was reached"
    ]
    assert not recwarn.list
    assert "Warning" not in capfd.readouterr().err


def test_the_seed_is_the_studys(X):
    params = {"init": "random", "max_iter": 5}
    first, again, other = (
        embed(X, method="mds", params=params, seed=seed).embedding for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_a_given_graph_is_used(X):
    params = {"perplexity": 5, "max_iter": 20}
    graph = knn_graph(X, k=15)
    mixed = np.random.default_rng(1).permutation(120)
    shifted = Graph(mixed[graph.indices[np.argsort(mixed)]], graph.distances[np.argsort(mixed)])
    right = embed(X, method="tsne", params=params, graph=graph).embedding
    assert np.array_equal(right, embed(X, method="tsne", params=params).embedding)
    assert not np.allclose(right, embed(X, method="tsne", params=params, graph=shifted).embedding)


def test_a_start_given_as_an_array_is_named_in_the_record(X):
    start = np.random.default_rng(1).normal(size=(120, 2))
    info = embed(X, method="mds", params={"init": start, "max_iter": 2}).info
    assert json.loads(json.dumps(info))["parameters"]["init"] == "array (120, 2)"


# ---- rows


def test_all_rows_without_a_subset(X):
    for subset in (None, 120, 500):
        layout = embed(X, method="pca", subset=subset)
        assert layout.rows.dtype == np.int64
        assert np.array_equal(layout.rows, np.arange(120))


def test_a_subset_keeps_the_shares_of_the_classes(X):
    labels = np.repeat([0, 1], [80, 40])
    layout = embed(X, method="pca", labels=labels, subset=30, seed=4)
    assert np.array_equal(layout.rows, stratified_subset(labels, 30, seed=4))
    assert np.array_equal(np.bincount(labels[layout.rows]), [20, 10])
    assert np.array_equal(layout.embedding, embed(X[layout.rows], method="pca").embedding)
    assert not np.array_equal(layout.rows, embed(X, method="pca", subset=30, seed=4).rows)


def test_layouts_by_several_seeds_can_have_the_same_points(X):
    params = {"perplexity": 5, "max_iter": 20}
    given = {"method": "tsne", "params": params, "subset": 40}
    first = embed(X, **given, seed=4)
    other = embed(X, **given, seed=5, subset_seed=4)
    assert np.array_equal(first.rows, other.rows)
    assert not np.allclose(first.embedding, other.embedding)
    assert not np.array_equal(first.rows, embed(X, **given, seed=5).rows)


def test_the_graph_of_all_rows_is_not_that_of_a_subset(X):
    params = {"perplexity": 3, "max_iter": 20}
    graph = knn_graph(X, k=9)
    part = embed(X, method="tsne", params=params, subset=40, graph=graph)
    alone = embed(X[part.rows], method="tsne", params=params)
    assert np.array_equal(part.embedding, alone.embedding)


def test_labels_of_other_features_are_refused(X):
    with pytest.raises(InputError, match="7 images but the features have 120 rows"):
        embed(X, method="pca", labels=np.zeros(7, int))


# ---- memory and threads


def test_too_many_points_is_one_sentence_with_the_largest_subset(memory):
    memory(22 * GB)
    with pytest.raises(InputError) as error:
        preflight(70_000, 1280, method="mds", engine="sklearn")
    sentence = str(error.value)
    need = METHODS["mds"].engines["sklearn"].memory(70_000, 1280) / 1e9
    assert f"mds with engine sklearn needs about {need:.3g} GB for 70,000 points" in sentence
    assert "19.8 GB are free" in sentence
    size = int(sentence.split("at most ")[1].split()[0].replace(",", ""))
    assert "another engine" in sentence
    preflight(size, 1280, method="mds", engine="sklearn")
    with pytest.raises(InputError):
        preflight(int(1.1 * size), 1280, method="mds", engine="sklearn")


def test_the_study_fits_where_it_should(memory):
    memory(16 * GB)
    for method in METHODS:
        preflight(70_000, 2048, method=method)
    for method in ("mds", "isomap"):
        with pytest.raises(InputError, match=rf"methods\.{method}\.subset"):
            preflight(70_000, 1280, method=method, engine="sklearn")


def test_embed_refuses_before_it_starts(X, memory, monkeypatch):
    memory(100_000)
    monkeypatch.setattr(
        "pipeline.methods.mds.exact.MDS._lay_out", lambda *_, **__: pytest.fail("ran")
    )
    with pytest.raises(InputError, match="120 points"):
        embed(X, method="mds")


def test_long_runs_are_projected(memory, capfd):
    memory(22 * GB)
    preflight(12_000, 1280, method="mds", engine="sklearn")
    need = METHODS["mds"].engines["sklearn"].memory(12_000, 1280) / 1e9
    sentence = f"12,000 points, about {need:.2g} GB, projected 33.1 minutes"
    assert sentence in capfd.readouterr().err
    preflight(500, 1280, method="mds", engine="sklearn")
    assert "minutes" not in capfd.readouterr().err


ENGINES = [
    pytest.param(method, name, id=f"{method}-{name}")
    for method, row in METHODS.items()
    for name in row.engines
]


@pytest.mark.parametrize(("method", "name"), ENGINES)
def test_resources_have_the_defaults_of_the_estimator(method, name):
    engine = METHODS[method].engines[name]
    defaults = engine.defaults()
    for formula in (engine.memory, engine.gpu_memory, engine.seconds):
        named = {
            key: parameter.default
            for key, parameter in inspect.signature(formula).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        }
        assert named.items() <= defaults.items()
        assert formula(70_000, 1280, **defaults) == formula(70_000, 1280) >= 0
    assert engine.neighbors(**defaults) == engine.neighbors()
    assert bool(engine.neighbors()) >= engine.needs_graph
    assert engine.memory(70_000, 1280) > 0
    if "gpu" in engine.devices:
        assert engine.gpu_memory(70_000, 1280) > 0


def test_resources_are_known_without_importing_an_estimator():
    code = (
        "import sys; from pipeline.methods.registry import METHODS;"
        "[(e.memory(9, 9), e.gpu_memory(9, 9), e.useful_threads(9, 9, 4))"
        " for method in METHODS.values() for e in method.engines.values()];"
        "heavy = {'numpy', 'numba', 'sklearn'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_threads_where_they_are_of_use():
    for method in ("mds", "lle", "isomap", "tsne"):
        engine = engine_of(method)
        assert engine.useful_threads(70_000, 1280, 8) == 8
        assert engine.useful_threads(2_000, 1280, 8) == 1
    assert engine_of("umap").useful_threads(70_000, 1280, 8) == 1  # with a seed it has one thread
    assert (
        METHODS["isomap"]
        .engines[engine_name("isomap")]
        .useful_threads(70_000, 1280, 8, landmarks=100)
        == 1
    )


# ---- engines and devices


def test_engine_auto_prefers_the_device_then_the_first(monkeypatch):
    cpu = METHODS["umap"].engines["tunescope"]

    class OnGPU(Engine):
        devices = ("gpu",)

    both = Method("UMAP", {"tunescope": cpu, "fast": OnGPU()})
    monkeypatch.setitem(METHODS, "umap", both)
    assert engine_name("umap", device="gpu") == "fast"
    assert engine_name("umap", device="cpu") == "tunescope"
    assert engine_name("umap") == "tunescope"
    assert engine_of("umap", device="gpu").devices == ("gpu",)
    monkeypatch.setattr(OnGPU, "package", "no_such_package")
    assert engine_name("umap", device="gpu") == "tunescope"
    assert (
        engine_name("umap", "fast", device="gpu") == "fast"
    )  # whoever asks for it is told why not
    only = Method("UMAP", {"tunescope": cpu})
    monkeypatch.setitem(METHODS, "umap", only)
    assert engine_name("umap", device="gpu") == "tunescope"


def test_an_engine_without_a_gpu_runs_on_the_cpu_and_says_so(X):
    given = {"method": "lle", "engine": "sklearn", "device": "gpu"}
    assert embed(X, **given).info["device"] == "cpu"


# ---- mistakes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "sne"}, ["'sne'", "pca, tsne, umap, mds, lle, isomap"]),
        ({"method": "mds", "engine": "abacus"}, ["'abacus'", "auto, exact, sklearn"]),
        ({"method": "pca", "device": "tpu"}, ["'tpu'", "auto, cpu, gpu"]),
        ({"method": "tsne", "params": {"perplexty": 3}}, ["'perplexty'", "perplexity"]),
        ({"method": "tsne", "params": {"perplexity": "3"}}, ["perplexity", "'3'", "number"]),
        ({"method": "tsne", "params": {"perplexity": 0}}, ["tsne", "perplexity", "0"]),
        ({"method": "tsne", "params": {"method": "magic"}}, ["'magic'", "barnes_hut"]),
        ({"method": "tsne", "params": {"learning_rate": "fast"}}, ["learning_rate"]),
        ({"method": "tsne"}, ["perplexity 30", "90", "k = 20"]),
        ({"method": "umap", "params": {"n_neighbors": 1}}, ["umap", "n_neighbors"]),
        ({"method": "umap", "params": {"init": "magic"}}, ["'magic'", "spectral"]),
        ({"method": "umap", "params": {"n_neighbors": 50}}, ["50", "k = 20"]),
        ({"method": "mds", "params": {"max_iter": -1}}, ["mds", "max_iter", "-1"]),
        ({"method": "mds", "params": {"n_init": 4}}, ["n_init", "4", "random"]),
        ({"method": "mds", "params": {"init": "magic"}}, ["'magic'", "classical_mds"]),
        (
            {"method": "lle", "engine": "sklearn", "params": {"eigen_solver": "magic"}},
            ["eigen_solver", "magic"],
        ),
        ({"method": "lle", "params": {"n_neighbors": 120}}, ["n_neighbors", "119"]),
        ({"method": "isomap", "params": {"n_neighbors": 0}}, ["n_neighbors", "0"]),
        ({"method": "pca", "params": {"random_state": 1}}, ["random_state"]),
    ],
)
def test_a_mistake_is_one_sentence(X, arguments, words):
    with pytest.raises(InputError) as error:
        embed(X, graph=knn_graph(X, k=20), **arguments)
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda X: np.where(np.arange(120)[:, None] % 50 == 7, np.nan, X), ["3 of 120", "row 7"]),
        (lambda X: np.where(np.arange(120)[:, None] == 9, np.inf, X), ["1 of 120", "row 9"]),
        (lambda X: np.ones_like(X), ["all 120 rows", "equal"]),
        (lambda X: X[:, 0], ["(120,)"]),
    ],
)
def test_features_that_cannot_be_laid_out(X, method, spoil, words):
    with pytest.raises(InputError) as error:
        embed(spoil(X), method=method)
    for word in words:
        assert word in str(error.value)


def test_one_feature_has_no_plane(X):
    with pytest.raises(InputError, match="PCA of 120 points with 1 features"):
        embed(X[:, :1], method="pca")


def test_a_layout_with_lost_points_is_refused(X, monkeypatch):
    def lost(self, X, graph):
        self.diagnostics_ = {}
        return np.where(np.arange(len(X))[:, None] < 2, np.nan, np.zeros((len(X), 2)))

    monkeypatch.setattr("pipeline.methods.umap.tunescope.UMAP._lay_out", lost)
    with pytest.raises(InputError, match="2 of 120 points"):
        embed(X, method="umap")


# ---- on a GPU


def test_a_gpu_lays_out_and_says_so(gpu, X, memory, capfd):
    memory(10**12)
    for method in ("tsne", "mds", "lle", "isomap"):
        params = {"perplexity": 5, "max_iter": 10} if method == "tsne" else {}
        layout = embed(X[:60], method=method, params=params, device="gpu")
        assert layout.engine == "exact"
        assert layout.info["device"] == "gpu"
        assert "device" not in layout.info["parameters"]
        assert "GB of the GPU" in capfd.readouterr().err


def test_too_many_points_for_a_gpu_is_one_sentence(gpu, memory, monkeypatch):
    memory(10**12)
    monkeypatch.setattr(cuda, "free_memory", lambda: 4 * GB)
    with pytest.raises(
        InputError, match=r"needs about .* GB of the GPU for .* but 3.6 GB are free"
    ):
        preflight(10**7, 1280, method="lle", device="gpu")
    with pytest.raises(InputError, match=r"methods\.isomap\.subset"):
        preflight(70_000, 1280, method="isomap", params={"storage": "memory"}, device="gpu")
    preflight(70_000, 1280, method="mds", device="gpu")  # computes distances again


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Out of memory allocating 1,000 bytes"),  # CuPy's pool
        RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: out of memory"),  # the driver
        RuntimeError("CUSOLVER_STATUS_ALLOC_FAILED"),
    ],
)
def test_memory_that_runs_out_is_one_more_attempt_and_then_a_sentence(
    gpu, X, memory, monkeypatch, error
):
    memory(10**12)
    rooms = []

    def greedy(self, X, graph):
        rooms.append(cuda._share)
        raise error

    monkeypatch.setattr("pipeline.methods.mds.exact.MDS._lay_out", greedy)
    with pytest.raises(MemoryError, match=f"smaller tiles too; {error}"):
        embed(X, method="mds", device="gpu")
    assert rooms == [1.0, 0.25]
    assert cuda._share == 1.0  # for what comes next
    rooms.clear()
    with pytest.raises(type(error), match=f"^{error}"):
        embed(X, method="mds", device="cpu")
    assert rooms == [1.0]


def test_an_attempt_within_a_second_attempt_leaves_its_room_small(gpu):
    rooms = []

    def outer():
        if not rooms:
            rooms.append(cuda._share)
            raise MemoryError
        rooms.append(gpu.retry_on_oom(lambda: cuda._share))
        rooms.append(cuda._share)

    gpu.retry_on_oom(outer)
    assert rooms == [1.0, 0.25, 0.25]


def test_another_error_of_a_gpu_is_no_lack_of_memory(gpu, X, memory, monkeypatch):
    memory(10**12)
    rooms = []

    def broken(self, X, graph):
        rooms.append(cuda._share)
        raise RuntimeError("CUDA_ERROR_ILLEGAL_ADDRESS")

    monkeypatch.setattr("pipeline.methods.mds.exact.MDS._lay_out", broken)
    with pytest.raises(RuntimeError, match="ILLEGAL"):
        embed(X, method="mds", device="gpu")
    assert rooms == [1.0]
