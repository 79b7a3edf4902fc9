"""Batched inference: a network over many rows, transferred to the device chunk by chunk."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from kernels.oom import retry_on_oom
from pipeline.errors import InputError
from pipeline.networks.outputs import Outputs
from pipeline.runtime import keras_device
from pipeline.runtime.log import log

if TYPE_CHECKING:
    import keras

    from pipeline.runtime.log import Progress

SHRINK = 4  # divisor of batch and chunk for the second attempt after out of memory

T = TypeVar("T")


class BatchedInference:
    """A network that is compiled once and run over any number of rows, in inference mode.

    A chunk of rows is copied to the device at once and cut into batches there; outputs stay on the
    device until their chunk is done. Where memory runs out, a call is repeated once with smaller
    batches and chunks.

    Parameters
    ----------
    network : keras.Model
        One input, one or more outputs. Its weights may change between two calls, its precision may
        not.
    n_rows : int
        Rows of a call, at most.
    batch_size : int
        Rows per batch, at most; the attribute of this name is what is used.

    Raises
    ------
    InputError
        In a call: memory ran out with smaller batches too.
    """

    def __init__(self, network: keras.Model, *, n_rows: int, batch_size: int) -> None:
        self.network, self.n_rows = network, n_rows
        self._set_sizes(batch_size, keras_device.chunk_bytes())

    def _set_sizes(self, batch_size: int, chunk_bytes: int) -> None:
        """Divide the rows into equal chunks of whole batches."""
        self.batch_size, self.chunk_bytes = min(batch_size, self.n_rows), chunk_bytes
        batches = math.ceil(self.n_rows / self.batch_size)
        tensors = self.network.inputs + self.network.outputs
        bytes_of_batch = self.batch_size * sum(map(_bytes_per_row, tensors))
        chunks = math.ceil(batches / max(1, chunk_bytes // bytes_of_batch))
        self.chunk_rows = self.batch_size * math.ceil(batches / chunks)

    @cached_property
    def model(self) -> Any:
        """Row numbers -> outputs, for rows on the device."""
        return _on_device(self.network, self.chunk_rows)

    def warm_up(self) -> None:
        """Compile: run one batch."""
        self._retry(lambda: self._predict(1, None))

    def __call__(
        self,
        rows: np.ndarray,
        progress: Progress | None = None,
        *,
        outputs: Outputs | None = None,
        run: dict[str, Any] | None = None,
    ) -> list[np.ndarray]:
        """Run the network.

        Parameters
        ----------
        rows : (n, ...) array
            A memory-mapped array is read chunk by chunk.
        progress : Progress, optional
            Updated after each batch.
        outputs : Outputs, optional
            Where what is computed is gathered, and what was computed before is found.
        run : dict, optional
            What identifies the computation for these.

        Returns
        -------
        list of (n, ...) float32 arrays
            One for each output of the network.
        """
        outputs = outputs or Outputs()
        outputs.open(len(rows), [each.shape[1:] for each in self.network.outputs], run or {})
        return self._retry(lambda: self._predict_chunks(rows, progress, outputs))

    def _retry(self, compute: Callable[[], T]) -> T:
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
        self._set_sizes(max(1, self.batch_size // SHRINK), self.chunk_bytes // SHRINK)
        log.warning(f"memory ran out: once more with batches of {self.batch_size:,}")

    def _predict_chunks(
        self, rows: np.ndarray, progress: Progress | None, outputs: Outputs
    ) -> list[np.ndarray]:
        if progress is not None:
            progress.reset()
            progress.update(outputs.done)
        for first in range(outputs.done, len(rows), self.chunk_rows):
            chunk = rows[first : first + self.chunk_rows]
            # The shape stays, since another one would be compiled again.
            self.model.rows.assign(np.resize(chunk, (self.chunk_rows, *chunk.shape[1:])))
            parts = self._predict(math.ceil(len(chunk) / self.batch_size), progress)
            for output, part in zip(outputs.arrays, parts, strict=True):
                output[first : first + len(chunk)] = part[: len(chunk)]
            outputs.save(first + len(chunk))
        return outputs.arrays

    def _predict(self, batches: int, progress: Progress | None) -> list[np.ndarray]:
        """The outputs for the first batches of the chunk on the device."""
        numbers = np.arange(batches * self.batch_size, dtype=np.int32)
        callbacks = _progress_callbacks(progress, self.batch_size)
        return self.model.predict(numbers, self.batch_size, verbose=0, callbacks=callbacks)


def _bytes_per_row(tensor: keras.KerasTensor) -> int:
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
    model.compile(**keras_device.compiler_options())
    return model


def _progress_callbacks(progress: Progress | None, batch_size: int) -> Any:
    """Count batches; Keras's own list of callbacks would copy each batch's outputs to the host."""
    import keras

    class Callbacks(keras.callbacks.CallbackList):
        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            if progress is not None:
                progress.update(batch_size)

    return Callbacks()
