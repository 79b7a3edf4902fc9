"""Do Dask's workers compute the bits of one machine, whoever of them is lost?"""

import asyncio
import json
import logging
import os
import signal
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from distributed import Client, LocalCluster
from point_sets import blobs, two_scales

from kernels.cpu import knn
from pipeline.errors import InputError
from pipeline.measures.ranks import ranks
from pipeline.methods.embed import embed
from pipeline.methods.isomap.exact import Isomap
from pipeline.methods.mds.exact import MDS
from pipeline.methods.pca.exact import PCA
from pipeline.methods.tsne.exact import TSNE
from pipeline.neighbors.graph import knn_graph
from pipeline.runtime import workers as module
from pipeline.runtime.cluster import ONE_THREAD, check_answer, open_client
from pipeline.runtime.workers import IN_FLIGHT, Workers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:MDS stopped", "ignore:the graph of"),
]
METHODS = {
    "mds": MDS(device="cpu", max_iter=20),
    "mds in 16 bits": MDS(device="cpu", max_iter=20, storage="memory"),
    "mds in space": MDS(3, device="cpu", max_iter=10, init="random", n_init=2, random_state=1),
    "isomap": Isomap(device="cpu", random_state=0),
    "tsne": TSNE(device="cpu", max_iter=25, random_state=0),
}


@contextmanager
def cluster_of(workers, threads=1):
    options = {"threads_per_worker": threads, "dashboard_address": ":0", "env": ONE_THREAD}
    with LocalCluster(n_workers=workers, **options) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module", params=[1, 2, 4])
def client(request):
    with cluster_of(request.param) as client:
        yield client


@pytest.fixture
def pair():
    """Two workers that a test may kill."""
    with cluster_of(2) as client:
        yield client


@pytest.fixture(scope="module")
def points():
    """Seven strips, so that sums have an order; some points twice."""
    several = blobs(1_700, 12)
    return np.concatenate([several, several[:40]])


@pytest.fixture
def small_tiles(monkeypatch):
    """Several groups of rows, of which some rows are searched again."""
    monkeypatch.setattr(knn, "TILES", (64,))


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_graph(client, points, small_tiles):
    found = knn_graph(points, k=15, device="cpu", client=client)
    assert same(found, knn_graph(points, k=15, device="cpu"))


def test_graph_of_rows_that_are_searched_again(client, small_tiles, caplog):
    far = two_scales()
    with caplog.at_level("INFO", "tunescope"):
        found = knn_graph(far, k=5, device="cpu", client=client)
    assert "searched again" in caplog.text
    assert same(found, knn_graph(far, k=5, device="cpu"))


@pytest.mark.parametrize("name", METHODS)
def test_layouts(client, points, name, monkeypatch):
    monkeypatch.setattr("pipeline.methods.mds.exact.EXACT", 300 if "16" in name else 4096)
    monkeypatch.setattr("pipeline.methods.mds.landmarks.START", 100)
    method = METHODS[name]
    alone = method.fit_transform(points)
    numbers = {key: value for key, value in method.diagnostics_.items() if "seconds" not in key}
    assert np.array_equal(method.fit_transform(points, client=client), alone)
    assert numbers.items() <= method.diagnostics_.items()


def test_ranks(client, points):
    near = np.random.default_rng(1).integers(0, len(points), (len(points), 7))
    assert np.array_equal(ranks(points, near, client=client), ranks(points, near))


def test_few_points(client):
    few = blobs(9, 3)
    for method in (MDS(device="cpu"), Isomap(n_neighbors=3, device="cpu", random_state=0)):
        assert np.array_equal(method.fit_transform(few, client=client), method.fit_transform(few))
    with pytest.raises(InputError, match="n_components is 2 but must be less than the 2 points"):
        Isomap(n_neighbors=1, device="cpu").fit_transform(few[:2], client=client)


def test_what_computes_alone_refuses_a_client(client, points):
    with pytest.raises(InputError, match="computes alone: leave client out"):
        PCA().fit_transform(points, client=client)
    for method, word in ((MDS(storage="disk"), "storage"), (Isomap(landmarks=20), "landmarks")):
        with pytest.raises(InputError, match=f"{word} is .* but Dask's workers"):
            method.fit_transform(points, client=client)


def kill_one(client):
    pid = next(iter(client.run(os.getpid).values()))
    os.kill(pid, signal.SIGKILL)
    return pid


@pytest.mark.parametrize(
    ("method", "params", "part", "number"),
    [
        ("isomap", {}, "_candidates", 2),  # of the graph, while others are computed
        ("isomap", {}, "_squared_products", 5),  # of paths that it held
        ("mds", {"max_iter": 20}, "_store", 2),
        ("mds", {"max_iter": 20}, "_sums_of_part", 30),
    ],
)
def test_a_worker_that_is_killed_costs_no_bit(
    pair, points, small_tiles, monkeypatch, method, params, part, number
):
    options = {"method": method, "engine": "exact", "params": params, "device": "cpu"}
    alone = embed(points, **options).embedding
    submitted, killed = [], []
    submit = Workers._submit

    def submit_and_kill(self, function, *arguments):
        submitted.append(function.__name__)
        if submitted.count(part) == number and not killed:
            killed.append(kill_one(pair))
        return submit(self, function, *arguments)

    monkeypatch.setattr(Workers, "_submit", submit_and_kill)
    assert np.array_equal(embed(points, **options, client=pair).embedding, alone)
    assert len(killed) == 1


LOST = r"the Dask scheduler tcp://.* does not answer"


def test_a_scheduler_that_is_lost_ends_in_a_sentence(points, monkeypatch):
    with cluster_of(1) as client:
        ask = Workers.ask

        def ask_after_the_end(self, *arguments):
            client.cluster.close()
            return ask(self, *arguments)

        monkeypatch.setattr(Workers, "ask", ask_after_the_end)
        with pytest.raises(InputError, match=LOST):
            MDS(device="cpu").fit_transform(points, client=client)


def test_a_scheduler_that_is_lost_while_parts_are_computed(points, small_tiles, monkeypatch):
    with cluster_of(1) as client:
        submit, submitted = Workers._submit, []

        def submit_and_end(self, *arguments):
            submitted.append(submit(self, *arguments))
            if len(submitted) == IN_FLIGHT:
                client.cluster.close()
            return submitted[-1]

        monkeypatch.setattr(Workers, "_submit", submit_and_end)
        with pytest.raises(InputError, match=LOST):
            knn_graph(points, k=15, device="cpu", client=client)


def test_workers_that_would_compute_something_else_are_refused(client, monkeypatch):
    here = module.versions()
    monkeypatch.setattr(module, "versions", lambda: here | {"numba": "0.1"})
    with pytest.raises(InputError, match=r"the Dask worker tcp://.* has numba .* but this .* 0\.1"):
        Workers(client)


def test_workers_of_several_threads_are_refused():
    sentence = "has 2 threads but must have one: .*--nthreads 1"
    with cluster_of(1, threads=2) as client, pytest.raises(InputError, match=sentence):
        Workers(client)


def test_workers_that_are_threads_are_refused(points):
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    sentence = "the Dask worker .* is a thread of this command but must be a process"
    with Client(processes=False, **options) as client, pytest.raises(InputError, match=sentence):
        knn_graph(points, client=client)


def test_clients_that_are_closed_or_asynchronous_are_refused(pair):
    address = pair.scheduler.address
    with Client(address) as closed:
        pass
    with pytest.raises(InputError, match="the Dask client is closed: give one that is connected"):
        Workers(closed)

    async def share_nothing():
        async with Client(address, asynchronous=True) as client:
            Workers(client)

    with pytest.raises(InputError, match="the Dask client is asynchronous"):
        asyncio.run(share_nothing())


def test_workers_that_are_lost_while_all_are_asked_are_not_missed():
    workers = {name: {"nthreads": 1, "host": "here", "memory_limit": 8} for name in "abc"}
    client = SimpleNamespace(
        wait_for_workers=lambda number, timeout: None,
        nthreads=lambda: {"a": 1, "b": 1},
        scheduler_info=lambda n_workers: {"workers": {name: workers[name] for name in "ab"}},
        run=lambda function, on_error: {
            "b": (4, 2) if function is module._free else function(),
            "c": OSError("Timed out"),
        },
    )
    with pytest.raises(InputError, match="b is a thread of this command"):  # which comes last
        module.check_workers(client)
    assert module._room(client) == {"b": (8, 1)}


def test_a_scheduler_without_workers_is_refused(monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.2)
    with cluster_of(0) as client, pytest.raises(InputError, match="has no workers: start some"):
        Workers(client)


def test_a_worker_that_comes_later_with_other_versions_is_refused(client, monkeypatch):
    with Workers(client) as workers:
        workers._wanted = (*workers._wanted[:-1], ("code", "another"))
        with pytest.raises(InputError, match="a Dask worker that came later has other versions"):
            workers.ask(len, [1])


def test_other_sources_are_another_version(tmp_path, monkeypatch):
    here = module._code.__wrapped__()
    assert module._code.__wrapped__() == here
    (tmp_path / "one.py").write_text("")
    monkeypatch.setattr(module.kernels, "__file__", str(tmp_path / "__init__.py"))
    assert module._code.__wrapped__() != here


def test_an_address_is_no_client(points):
    with pytest.raises(InputError, match="client is 'tcp://host:8786' but must be a Client"):
        MDS(device="cpu").fit_transform(points, client="tcp://host:8786")


def test_a_cluster_that_does_not_answer_is_known_before_a_study(client, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.runtime.cluster.SECONDS", 1)
    file = tmp_path / "scheduler.json"
    for address, answers in ((client.scheduler.address, True), ("tcp://127.0.0.1:9", False)):
        file.write_text(json.dumps({"address": address}))
        for name in (address, str(file)):
            refused = pytest.raises(InputError, match="no Dask scheduler answers at tcp://127")
            with nullcontext() if answers else refused:
                check_answer(name)
    for name in ("none", "local", "ws://host:80"):  # started, or found out when it is needed
        check_answer(name)


def test_what_no_worker_has_room_for_is_refused_beforehand(client, caplog):
    with Workers(client) as workers:
        with pytest.raises(InputError, match=r"pairs needs .* GB on each of . Dask workers.* tcp"):
            workers.require_room("pairs", held=1e16, beside=0)
        with pytest.raises(InputError, match="in memory, but tcp"):
            workers.require_room("pairs", held=0, beside=1e14)
        with caplog.at_level("INFO", "tunescope"):
            workers.require_room("pairs", held=1e6, beside=1e6)
    assert "GB on each of" in caplog.text


def test_room_is_for_the_loaded_libraries_too(client, monkeypatch, caplog):
    with Workers(client) as workers:
        monkeypatch.setattr(module, "_room", lambda client: {"tcp://a": (3e8, 1e12)})
        with pytest.raises(InputError, match=r"0\.2 GB of them in memory, but tcp://a has 0\.3 GB"):
            workers.require_room("pairs", held=1e6, beside=0)
        monkeypatch.setattr(module, "_room", lambda client: {"tcp://a": (4e8, 1e12)})
        with caplog.at_level("INFO", "tunescope"):
            workers.require_room("pairs", held=1.2e8, beside=0)
    assert "pairs: 0.32 GB on each of 1 Dask workers, up to 0.08 GB of them on disk" in caplog.text


def test_few_points_need_little_room(client, monkeypatch):
    needed = []
    monkeypatch.setattr(Workers, "require_room", lambda *_, beside, **__: needed.append(beside))
    few = blobs(90, 3)
    knn_graph(few, k=5, device="cpu", client=client)
    ranks(few, np.ones((len(few), 1), int), client=client)
    assert len(needed) == 2
    assert max(needed) < 1e6


def test_a_temporary_folder_without_room_is_a_sentence(client, points, monkeypatch):
    full = SimpleNamespace(free=1000)
    monkeypatch.setattr("pipeline.runtime.disk.shutil.disk_usage", lambda folder: full)
    with pytest.raises(InputError, match=r"what Dask's workers read in TMPDIR needs .* but 0"):
        ranks(points, np.ones((len(points), 1), int), client=client)


@pytest.mark.parametrize(
    ("dask", "sentence"),
    [
        ("lokal", "dask is 'lokal' but must be none, local, local-cuda, the address"),
        ("tcp://", "dask is 'tcp://' but must be"),
        ("tcp://127.0.0.1:9", r"no Dask scheduler answers at tcp://127.0.0.1:9 \(.*\): start one"),
        ("tls://127.0.0.1:9", r"no Dask scheduler answers at tls://.* \(TLS expects .*\): start"),
        ("no_such.json", "there is no scheduler file no_such.json"),
        ("local-cuda", "dask is 'local-cuda' but no NVIDIA GPU answers"),
    ],
)
def test_names_of_no_cluster(dask, sentence, monkeypatch):
    monkeypatch.setattr("pipeline.runtime.gpus.visible_gpus", lambda: [])
    monkeypatch.setattr("pipeline.runtime.cluster.SECONDS", 1)
    with pytest.raises(InputError, match=sentence), open_client(dask, workers=1):
        pass


@pytest.mark.parametrize("text", ["", "{}", "[]", "tcp://127.0.0.1:9"])
def test_files_of_no_scheduler(text, tmp_path):
    (tmp_path / "scheduler.json").write_text(text)
    with (
        pytest.raises(InputError, match=r"scheduler\.json is not the file of a scheduler: write"),
        open_client(str(tmp_path / "scheduler.json"), workers=1),
    ):
        pass


def test_a_cluster_that_runs_by_its_address_and_its_file(client, tmp_path):
    address, file = client.scheduler.address, tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": address}))
    for name in (address, str(file)):
        with open_client(name, workers=1) as other:
            assert other.scheduler.address == address
            assert logging.getLogger("distributed.client").getEffectiveLevel() == logging.CRITICAL
    with open_client("none", workers=1) as none:
        assert none is None


def test_arrays_that_no_folder_is_shared_for(client, points, monkeypatch, caplog):
    monkeypatch.setattr(module, "_sees", lambda path, text: False)
    with caplog.at_level("INFO", "tunescope"):
        found = knn_graph(points, k=15, device="cpu", client=client)
    assert "features go through the scheduler" in caplog.text
    assert same(found, knn_graph(points, k=15, device="cpu"))


def test_no_file_is_left(client, points, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ranks(points, np.ones((len(points), 1), int), client=client)
    assert list(tmp_path.iterdir()) == []
