"""The Dask cluster that a user names: one of this machine's cores or GPUs, or one that runs."""

from __future__ import annotations

import json
import logging
import signal
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.runtime.log import log

if TYPE_CHECKING:
    from distributed import Client

DASK = "TUNESCOPE_DASK"  # the cluster of a study's steps
WORDS = ("none", "local", "local-cuda")
PROTOCOLS = ("tcp", "tls", "ucx", "ws", "wss")
SECONDS = 10  # that a scheduler may take to answer
ONE_THREAD = dict.fromkeys(
    ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
# Set before a worker of this machine loads Dask. One that paused, its memory and disk full, would
# keep all waiting; one that does not is ended by Dask, and that is said.
OF_WORKERS = {
    "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical",
    "distributed.nanny.pre-spawn-environ.DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
}


def check_dask(dask: str) -> str:
    """Return what names a cluster: a word, an address or a file.

    Raises
    ------
    ValueError
        It names none; the message says what does.
    """
    protocol, _, host = dask.partition("://")
    if dask in WORDS or dask.endswith(".json") or (protocol in PROTOCOLS and host):
        return dask
    raise ValueError(
        f"{', '.join(WORDS)}, the address of a scheduler such as tcp://host:8786, or the scheduler "
        "file of one, .json"
    )


@contextmanager
def open_client(name: str, *, workers: int) -> Iterator[Client | None]:
    """Connect to a cluster, or start one of this machine; None for "none".

    A cluster of this machine ends with the block, one that a user runs goes on.

    Parameters
    ----------
    name : str
        "local" has workers of one thread each, "local-cuda" one for each GPU; else an address or a
        scheduler file.
    workers : int
        Of "local".

    Raises
    ------
    InputError
        No such cluster, no answer, or no GPU.
    """
    try:
        check_dask(name)
    except ValueError as error:
        raise InputError(f"dask is {name!r} but must be {error}") from None
    if name == "none":
        yield None
        return
    import dask.config
    from distributed import Client

    # Coordinates of a million points may well go through the scheduler.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB", **OF_WORKERS})
    # What goes wrong comes as a sentence of ours, and a lost worker costs only time.
    for logger in ("distributed", "distributed.client"):  # Dask gives each a level
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    if name in WORDS:
        # On one machine the client reaches its workers without the scheduler between them.
        with _uninterrupted():
            cluster = _local_cluster(name, workers)
        with cluster, Client(cluster, direct_to_workers=True) as c:
            _announce(c)
            yield c
        return
    address = _address_in(Path(name)) if name.endswith(".json") else name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on versions, which `Workers` refuses
            client = Client(address, timeout=SECONDS)
    # TypeError: certificates for tls, or a library for ucx, that are not there.
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise _silent(address, error) from error
    with client:
        _announce(client)
        yield client


def find_scheduler_file(name: str, folder: Path) -> str:
    """What names a cluster, a scheduler file with its path: as given, or else in a folder.

    Raises
    ------
    InputError
        There is no such file.
    """
    if not name.endswith(".json"):
        return name
    for path in (Path(name).expanduser(), folder / name):
        if path.is_file():
            return str(path)
    raise InputError(
        f"there is no scheduler file {name}: start `dask scheduler --scheduler-file {name}`"
    )


def check_answer(name: str) -> None:
    """Refuse a cluster whose scheduler does not answer, without importing Dask.

    Raises
    ------
    InputError
    """
    if name in WORDS:
        return
    address = _address_in(Path(name)) if name.endswith(".json") else name
    protocol, _, place = address.partition("://")
    host, _, port = place.rpartition(":")
    if protocol not in ("tcp", "tls") or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _silent(address, error) from error


def _silent(address: str, error: Exception) -> InputError:
    return InputError(
        f"no Dask scheduler answers at {address} ({error}): start one with `dask scheduler`, or "
        "correct the address"
    )


def _address_in(file: Path) -> str:
    """The address of the scheduler that wrote a file."""
    text = Path(find_scheduler_file(str(file), Path())).read_bytes()
    try:
        return str(json.loads(text)["address"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file} is not the file of a scheduler: write one by `dask scheduler --scheduler-file "
            f"{file}`"
        ) from error


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back; threads and processes that start meanwhile never see it.

    A terminal sends it to the workers, too, which this process ends.
    """
    resource_tracker.ensure_running()  # whose start ends the mask of the thread that starts it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _local_cluster(name: str, workers: int) -> Any:
    options: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": ":0"}
    if name == "local-cuda":
        from pipeline.runtime.gpus import visible_gpus

        if not visible_gpus():
            raise InputError(
                "dask is 'local-cuda' but no NVIDIA GPU answers here (CUDA_VISIBLE_DEVICES may "
                "hide it): set dask to local"
            )
        from dask_cuda import LocalCUDACluster

        return LocalCUDACluster(**options)
    from distributed import LocalCluster

    from pipeline.runtime.memory import available_memory

    # One part is for this process, which holds what the workers are sent.
    memory = available_memory() // (workers + 1)
    return LocalCluster(n_workers=workers, memory_limit=memory, env=ONE_THREAD, **options)


def _announce(client: Client) -> None:
    log.info(f"dask: dashboard at {client.dashboard_link}")
