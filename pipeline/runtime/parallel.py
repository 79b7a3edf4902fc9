"""Call a function for many tiles side by side, with the same bits for any number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

from kernels.backend import Backend

StarMap = Callable[[Callable, Iterable[tuple]], list]


@contextmanager
def parallel_starmap(backend: Backend) -> Iterator[StarMap]:
    """Yield a `starmap(function, arguments)` that runs on all threads, BLAS on one thread a call.

    How BLAS shares one product among its threads decides the last bits of the result; products
    that each belong to one thread have the same bits for any number of threads. A GPU is busy
    with one call at a time.
    """
    if not backend.on_host:
        yield lambda function, arguments: [function(*a) for a in arguments]
        return
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(backend.threads) as pool:
        yield lambda function, arguments: list(pool.map(lambda a: function(*a), arguments))
