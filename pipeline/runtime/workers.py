"""Parts of a step on the workers of a Dask cluster, each computed as one machine computes it."""

from __future__ import annotations

import collections
import functools
import hashlib
import itertools
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import kernels
import pipeline
from kernels.backend import get_backend
from pipeline.errors import InputError
from pipeline.runtime.disk import check_space
from pipeline.runtime.log import Progress, log
from pipeline.runtime.memory import available_memory
from pipeline.runtime.versions import versions

if TYPE_CHECKING:  # whoever has no client does without Dask
    from distributed import Client, Future, Worker

IN_FLIGHT = 2  # parts a worker, the one that it computes included: none waits for the next
SECONDS = 10  # that a cluster may take to have a worker
PARTS = 4  # of what a worker holds
SHARE = 0.6  # of a worker's memory, beyond which Dask moves results to disk; of its disk
LOADED = 0.2e9  # bytes of a worker that has loaded what computes
PROCESS = uuid.uuid4()  # this one, among those of all machines
DECISIVE = ("python", "tunescope", "numba", "numpy", "scipy")  # packages that decide the bits
NO_WORKERS = "the Dask scheduler has no workers: start some with `dask worker --nthreads 1`"


class StoredArray(NamedTuple):
    """An array in a file that parts map."""

    path: str


class Workers:
    """The workers of a client, as a context: files that they share end with it.

    Parts are functions of the module level, called with a backend, their own arguments and shared
    arrays; BLAS and loops of kernels have one thread each. A worker that is lost, also while it
    computes, costs time and no bit: Dask computes its parts again.

    Parameters
    ----------
    client : distributed.Client
        Of workers with one thread each, since numba's loops let only one thread in at a time, and
        with this version of Tunescope.
    device : {"cpu", "gpu"}
        Where they compute.

    Attributes
    ----------
    client : distributed.Client
    count : int
        Workers at the start.

    Raises
    ------
    InputError
        A client that is closed or asynchronous; no worker, one with more threads or without a
        process of its own, without Tunescope, or with other versions.
    """

    def __init__(self, client: Client, device: str = "cpu"):
        if isinstance(client, str):
            raise InputError(f"client is {client!r} but must be a Client: distributed.Client(...)")
        scheduler = client.scheduler
        if scheduler is None or client.status != "running" or client.asynchronous:
            state = "asynchronous" if client.asynchronous else client.status
            raise InputError(
                f"the Dask client is {state}: give one that is connected and not asynchronous"
            )
        self.client, self._device = client, device
        self._wanted = tuple(_versions().items())
        self._address = scheduler.address
        with self._refusals():
            check_workers(client)
            self.count = len(_threads(client))
            self._folder, self._numbers = _shared_folder(client), itertools.count()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        """Delete the files of shared arrays."""
        if self._folder is not None:
            self._folder.cleanup()

    def share(self, array: np.ndarray) -> StoredArray | Future:
        """An argument of parts that is a large array: a file, which all workers of a machine map.

        Where they do not see the temporary folder of this process, it is sent.

        Raises
        ------
        InputError
            That folder has no room for it.
        """
        if self._folder is None:
            return self.send(array)
        folder = Path(self._folder.name)
        check_space(folder, array.nbytes, "what Dask's workers read in TMPDIR")
        path = folder / f"{next(self._numbers)}.npy"
        np.save(path, array)
        return StoredArray(str(path))

    def send(self, array: np.ndarray) -> Future:
        """An argument of parts that is a small array, sent to the workers that need it.

        It goes through the scheduler, which sends it again when a worker is lost; what is scattered
        would be lost, too, since Dask drops copies.
        """
        with self._refusals():
            return self.client.submit(_itself, array, pure=False)

    def each(
        self,
        function: Callable[..., Any],
        parts: Iterable[tuple],
        *shared: Any,
        name: str,
        total: int,
    ) -> Iterator[tuple[int, Any]]:
        """Compute `function(backend, *part, *shared)` of each part, few of them at a time.

        Parameters
        ----------
        function : callable
        parts : iterable of tuple
            Asked for the next one when a worker is free for it.
        *shared
            What `share` returned.
        name, total : str, int
            Of the progress: how many parts there are.

        Yields
        ------
        number : int
            Of the part.
        result
            In whatever order they come.
        """
        from distributed import CancelledError, as_completed

        progress = Progress(name, total)
        waiting, running = enumerate(parts), {}

        def submit(number: int, part: tuple) -> Future:
            future = self._submit(function, *part, *shared)
            running[future.key] = number
            return future

        first = [submit(*each) for each in itertools.islice(waiting, IN_FLIGHT * self.count)]
        done = as_completed(first, with_results=True)
        with self._refusals():
            for future, result in done:
                if future.cancelled():
                    raise CancelledError(future.key)  # else it would be the result
                yield running.pop(future.key), result
                progress.update()
                for following in itertools.islice(waiting, 1):
                    done.add(submit(*following))

    def hold(
        self, function: Callable[..., Any], parts: Sequence[tuple], *shared: Any, name: str
    ) -> list[Future]:
        """Compute parts as `each` does and leave the results with the workers."""
        from distributed import as_completed

        held = [self._submit(function, *part, *shared) for part in parts]
        progress = Progress(name, len(held))
        with self._refusals():
            for future in as_completed(held):
                if future.status != "finished":
                    future.result()  # raises; of one that is finished it would fetch the result
                progress.update()
        return held

    def ask(self, function: Callable[..., Any], items: Sequence[Any], *arguments: Any) -> list:
        """`function(backend, item, *arguments)` of every item, in their order.

        What is held is asked where it is.
        """
        with self._refusals():
            return self.client.gather([self._submit(function, each, *arguments) for each in items])

    def cut(self, n: int) -> list[tuple[int, int]]:
        """Ranges of n equal things for `hold`: a few for each worker, so that all end together."""
        ends = np.linspace(0, n, min(n, PARTS * self.count) + 1).astype(int)
        return [(int(first), int(last)) for first, last in itertools.pairwise(ends)]

    def require_room(self, what: str, *, held: float, beside: float) -> None:
        """Log what the workers will need, before anything is computed.

        Parameters
        ----------
        what : str
            Starts the sentence.
        held : float
            Bytes in all, in equal parts; what a worker has no memory for, Dask puts on its disk.
        beside : float
            Bytes of memory that every worker needs for its parts, whatever their number.

        Raises
        ------
        InputError
            A worker has no room for them.
        """
        with self._refusals():
            room = _room(self.client)
        if not room:
            raise InputError(NO_WORKERS)
        need, beside = held / len(room), beside + LOADED
        on_disk = 0.0
        for worker, (memory, disk) in room.items():
            spilled = max(0.0, need + beside - SHARE * memory)
            on_disk = max(on_disk, spilled)
            if beside > SHARE * memory or spilled > SHARE * disk:
                raise InputError(
                    f"{what} needs {(need + beside) / 1e9:.3g} GB on each of {len(room)} Dask "
                    f"workers, {beside / 1e9:.3g} GB of them in memory, but {worker} has "
                    f"{memory / 1e9:.3g} GB of memory and {disk / 1e9:.3g} GB of disk: start more "
                    "workers, or on machines with more memory"
                )
        log.info(
            f"{what}: {(need + beside) / 1e9:.2g} GB on each of {len(room)} Dask workers"
            + (f", up to {on_disk / 1e9:.2g} GB of them on disk" if on_disk else "")
        )

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        given = (function, self._device, self._wanted, *arguments)
        return self.client.submit(_compute, *given, pure=False)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn what Dask raises where workers or the scheduler are lost into sentences."""
        from distributed import CancelledError, KilledWorker
        from distributed.client import ClosedClientError
        from distributed.comm import CommClosedError

        try:
            yield
        except KilledWorker as error:
            raise InputError(
                f"a part was tried on {error.allowed_failures + 1} Dask workers and each was lost, "
                "so they may have too little memory: give them more, or start fewer on a machine; "
                "what was computed before is kept"
            ) from error
        except CancelledError as error:
            if self.client.status != "running":
                raise self._without_scheduler() from error
            raise InputError(
                "all Dask workers were lost at a time, so they may have too little memory: give "
                "them more, or start fewer on a machine; what was computed before is kept"
            ) from error
        except (ClosedClientError, CommClosedError, TimeoutError) as error:
            raise self._without_scheduler() from error

    def _without_scheduler(self) -> InputError:
        return InputError(
            f"the Dask scheduler {self._address} does not answer any more: start it again and run "
            "the same command; what was computed before is kept"
        )


def check_workers(client: Client) -> None:
    """Refuse workers that would compute something else, or not at all.

    Raises
    ------
    InputError
        As of `Workers`.
    """
    try:  # a cluster that grows as it has work may have none yet
        client.wait_for_workers(1, timeout=SECONDS)
    except TimeoutError:
        raise InputError(NO_WORKERS) from None
    threads = _threads(client)
    for worker, number in threads.items():
        if number != 1:
            raise InputError(
                f"the Dask worker {worker} has {number} threads but must have one: start workers "
                "with `dask worker --nthreads 1 --nworkers auto`"
            )
    own = _versions()
    for worker, found in _of_each(client, _versions).items():
        if isinstance(found, Exception):
            raise InputError(
                f"the Dask worker {worker} cannot import Tunescope ({found}): start it in the same "
                "environment as this command"
            )
        for package, version in own.items():
            if found[package] != version:
                raise InputError(
                    f"the Dask worker {worker} has {package} {found[package]} but this machine has "
                    f"{version}: start it in the same environment as this command"
                )
    processes = {PROCESS: "this command"}
    for worker, process in _of_each(client, _process).items():
        if process in processes:
            raise InputError(
                f"the Dask worker {worker} is a thread of {processes[process]} but must be a "
                "process: start the cluster without processes=False"
            )
        processes[process] = f"the worker {worker}"


def _threads(client: Client) -> dict[str, int]:
    # Not `scheduler_info`, which a periodic update of the client's may cut short meanwhile.
    return client.nthreads()


def _room(client: Client) -> dict[str, tuple[float, float]]:
    """Bytes of memory and disk that each worker may take."""
    free = _of_each(client, _free)
    workers = client.scheduler_info(n_workers=-1)["workers"]
    hosts = collections.Counter(worker["host"] for worker in workers.values())
    room = {}
    for address in free.keys() & workers.keys():
        worker = workers[address]
        memory, disk = (each / hosts[worker["host"]] for each in free[address])
        room[address] = worker["memory_limit"] or memory, disk
    return room


def _of_each(client: Client, function: Callable[..., Any]) -> dict[str, Any]:
    """What a function returns or raises on each worker, but for those that are lost meanwhile."""
    found = client.run(function, on_error="return")
    return {worker: each for worker, each in found.items() if not isinstance(each, OSError)}


def _process() -> uuid.UUID:
    return PROCESS


def _free(dask_worker: Worker) -> tuple[int, int]:
    """Bytes of memory and, where Dask puts what has no room there, of disk that are free."""
    return available_memory(), shutil.disk_usage(dask_worker.local_directory).free


def _versions() -> dict[str, str]:
    """Of what decides the bits of a result."""
    installed = versions()
    return {**{name: installed.get(name, "none") for name in DECISIVE}, "code": _code()}


@functools.cache
def _code() -> str:
    """Digest of the sources of Tunescope: of a working copy the version says little."""
    digest = hashlib.sha256()
    for package in (kernels, pipeline):
        root = Path(str(package.__file__)).parent
        for path in sorted(path for end in ("py", "cu") for path in root.rglob(f"*.{end}")):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


@functools.cache
def _refuse_other_versions(wanted: tuple[tuple[str, str], ...]) -> None:
    """On a worker, which may have come after all were checked."""
    if _versions() != dict(wanted):
        raise InputError(
            "a Dask worker that came later has other versions than this command: start it in the "
            "same environment"
        )


def _shared_folder(client: Client) -> tempfile.TemporaryDirectory | None:
    """A folder of this process that all workers see, if they do."""
    folder = tempfile.TemporaryDirectory(prefix="tunescope-dask-")
    word = Path(folder.name, "word")
    word.write_text(folder.name)
    if all(client.run(_sees, str(word), folder.name, on_error="ignore").values()):
        return folder
    folder.cleanup()
    log.info(
        f"dask: not all workers see {tempfile.gettempdir()}, so features go through the scheduler; "
        "faster is TMPDIR in a folder that they share"
    )
    return None


def _sees(path: str, text: str) -> bool:
    return Path(path).is_file() and Path(path).read_text() == text


def _compute(
    function: Callable[..., Any],
    device: str,
    wanted: tuple[tuple[str, str], ...],
    *arguments: Any,
) -> Any:
    """On a worker: a part, with one thread for loops and BLAS."""
    import numba

    _refuse_other_versions(wanted)
    arguments = tuple(
        np.load(each.path, mmap_mode="r") if isinstance(each, StoredArray) else each
        for each in arguments
    )
    numba.set_num_threads(1)
    with _blas().limit(limits=1, user_api="blas"):
        return function(get_backend(device), *arguments)


def _itself(array: np.ndarray) -> np.ndarray:
    return array


@functools.cache
def _blas() -> Any:
    """The libraries of this process, which take long to find."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
