"""A network over many rows that lie on the device: one transfer a chunk, batches cut there."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from kernels.oom import retry_on_oom
from pipeline.errors import InputError
from pipeline.networks.precision import compiler_options, has_gpu
from pipeline.runtime.log import log

if TYPE_CHECKING:
    import keras

    from pipeline.runtime.log import Progress

# Bytes of a chunk, its rows and their outputs together: what even a small card has to spare, and
# what does not matter beside the features on a CPU, where nothing is transferred.
CHUNK = {True: 2**30, False: 2**27}
SMALLER = 4  # times, what a second attempt does at a time where memory ran out

T = TypeVar("T")


class BatchedInference:
    """A network that is compiled once and run over any number of rows, in inference mode.

    A step is told row numbers only; outputs stay on the device until their chunk is done. Where
    memory runs out, batches and chunks become smaller, once a call.

    Parameters
    ----------
    network : keras.Model
        One input, one or more outputs. Its weights may change between two calls, its precision may
        not.
    rows : int
        The most rows that a call will bring.
    batch_size : int

    Raises
    ------
    InputError
        In a call: memory ran out with smaller batches too.
    """

    def __init__(self, network: keras.Model, *, rows: int, batch_size: int) -> None:
        self.network = network
        self._set_up(rows, batch_size, CHUNK[has_gpu()])

    def _set_up(self, most: int, batch_size: int, room: int) -> None:
        """Get ready for `most` rows, of which some lie on the device in `room` bytes."""
        self.most, self.room = most, room
        self.batch_size = min(batch_size, most)
        batches = math.ceil(most / self.batch_size)
        tensors = self.network.inputs + self.network.outputs
        bytes_of_batch = self.batch_size * sum(map(_bytes, tensors))
        chunks = math.ceil(batches / max(1, room // bytes_of_batch))
        self.rows = self.batch_size * math.ceil(batches / chunks)

    @cached_property
    def model(self) -> Any:
        """Row numbers -> outputs; with the rows on the device."""
        return _on_device(self.network, self.rows)

    def warm_up(self) -> None:
        """Compile: run one batch."""
        self._attempt(lambda: self._run(1, None))

    def __call__(self, rows: np.ndarray, progress: Progress | None = None) -> list[np.ndarray]:
        """Run the network.

        Parameters
        ----------
        rows : (n, ...) array
            A memory-mapped array is read chunk by chunk.
        progress : Progress, optional
            Is told of each batch.

        Returns
        -------
        list of (n, ...) float32 arrays
            One for each output of the network.
        """
        return self._attempt(lambda: self._all(rows, progress))

    def _attempt(self, compute: Callable[[], T]) -> T:
        try:
            return retry_on_oom(compute, self._shrink)
        except MemoryError as error:
            raise InputError(
                f"memory ran out, with batches of {self.batch_size:,} images too: make image_size "
                "smaller, free some, or set device to cpu"
            ) from error

    def _shrink(self) -> None:
        self.__dict__.pop("model", None)
        gc.collect()  # it is part of cycles
        self._set_up(self.most, max(1, self.batch_size // SMALLER), self.room // SMALLER)
        log.info(f"memory ran out: once more with batches of {self.batch_size:,}")

    def _all(self, rows: np.ndarray, progress: Progress | None) -> list[np.ndarray]:
        shapes = [output.shape[1:] for output in self.network.outputs]
        found = [np.empty((len(rows), *shape), np.float32) for shape in shapes]
        if progress is not None:
            progress.reset()
        for first in range(0, len(rows), self.rows):
            chunk = rows[first : first + self.rows]
            # The shape stays, since another one would be compiled again.
            self.model.rows.assign(np.resize(chunk, (self.rows, *chunk.shape[1:])))
            made = self._run(math.ceil(len(chunk) / self.batch_size), progress)
            for whole, part in zip(found, made, strict=True):
                whole[first : first + len(chunk)] = part[: len(chunk)]
        return found

    def _run(self, batches: int, progress: Progress | None) -> list[np.ndarray]:
        numbers = np.arange(batches * self.batch_size, dtype=np.int32)
        steps = _steps(progress, self.batch_size)
        return self.model.predict(numbers, self.batch_size, verbose=0, callbacks=steps)


def _bytes(tensor: keras.KerasTensor) -> int:
    """Bytes of a row."""
    return math.prod(tensor.shape[1:]) * (1 if tensor.dtype == "uint8" else 4)


def _on_device(network: keras.Model, rows: int) -> Any:
    """Row numbers -> a list of the network's outputs for those rows of the weight `rows`."""
    import keras

    class OnDevice(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.rows = self.add_weight(
                shape=(rows, *network.input.shape[1:]),
                dtype=network.input.dtype,
                initializer="zeros",
                trainable=False,
                autocast=False,
                name="rows",
            )

        def call(self, numbers: Any) -> list[Any]:
            outputs = self.network(keras.ops.take(self.rows, numbers, axis=0))
            return outputs if isinstance(outputs, list) else [outputs]

    model = OnDevice()
    model.compile(**compiler_options())
    return model


def _steps(progress: Progress | None, batch_size: int) -> Any:
    """Count batches; Keras's own list of callbacks would copy each batch's outputs to the host."""
    import keras

    class Steps(keras.callbacks.CallbackList):
        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            if progress is not None:
                progress.update(batch_size)

    return Steps()
