"""Depth profile: in which block of a network fine-tuning changed the representation.

Of each block, features before against after, of a sample: both networks see 10,000 images instead
of all, and no features are stored. More would narrow the intervals and tell no more of the blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.images.subset import stratified_subset
from pipeline.measures import intervals
from pipeline.measures.classes import parts
from pipeline.measures.intervals import GROUPS, Estimate, jackknife
from pipeline.measures.overlap import neighbors_kept
from pipeline.measures.probe import linear_probe, probe_problem
from pipeline.measures.resources import DEPTH_IMAGES
from pipeline.measures.similarity import cka, pair_sums, without
from pipeline.measures.table import row_of, space_of
from pipeline.neighbors.graph import knn_graph
from pipeline.runtime.log import Progress

FEWEST = 30  # images that CKA is measured on, as in `similarity`

Chunk = Sequence[tuple[np.ndarray, np.ndarray]]


def measure_depth(
    layers: Sequence[str],
    chunks: Iterable[Chunk],
    *,
    labels: np.ndarray,
    split: np.ndarray | None = None,
    k: int = 15,
    cosine: bool = False,
    images: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare the features of each block before and after fine-tuning.

    Intervals of CKA are those of a jackknife over 20 groups of images.

    Parameters
    ----------
    layers : sequence of str
        From the input to the output; two at least for `cka_above_halfway`.
    chunks : iterable of sequences of ((b, d) array, (b, d) array)
        Of the next b images the features before and after, for each layer.
    labels : (n,) int array
    split : (n,) array of str, optional
        "train" or "test".
    k : int
        Neighbours that count; fewer where there are not k + 1 images.
    cosine : bool
        Whether to scale the features of an image to unit length first; those that are all zeros
        stay, and are counted in a warning.
    images : int, optional
        How many these are a sample of; default that they are all.
    seed : int
        Of the groups, the probes and the resamples behind intervals.

    Returns
    -------
    dict
        "k"; "images" and "sample", their numbers; "blocks": of each its layer and features (how
        many); "measures": rows as of `row_of`, linear probes with their stage, too; "warnings".

    Raises
    ------
    InputError
        Fewer than two images, another number of images than labels, features that are not finite.
    """
    labels = np.asarray(labels)
    n = len(labels)
    if n < 2:
        raise InputError(f"there are {n} images but a depth profile compares neighbours: give more")
    split = None if split is None else np.asarray(split)
    blocks = _stream(layers, chunks, n, cosine=cosine)
    warnings = []
    if k >= n:
        warnings.append(f"{k} neighbours need {k + 1} images but there are {n}")
        k = n - 1
    problem = "there is no split" if split is None else probe_problem(labels, split)
    if problem:
        warnings.append(f"no linear probe of a block: {problem}")
    warnings += [
        f"{block.zeros:,} times the features of an image in {block.layer} are all zeros: they have "
        "no cosine"
        for block in blocks
        if block.zeros
    ]
    measures = _similarities(blocks, seed)
    progress = Progress("depth: neighbours and probes", len(blocks))
    for block in blocks:
        measures += block.neighbors(labels, split, k=k, seed=seed)
        if split is not None and not problem:
            probes, remarks = block.probes(labels, split, seed=seed)
            measures += probes
            warnings += remarks
        block.features.clear()
        progress.update()
    progress.close()
    return {
        **{"k": k, "images": images or n, "sample": n},
        "blocks": [{"layer": block.layer, "features": block.width} for block in blocks],
        "measures": measures,
        "warnings": warnings,
    }


def sampled_rows(
    labels: np.ndarray, split: np.ndarray | None, *, size: int = DEPTH_IMAGES, seed: int = 0
) -> np.ndarray:
    """Images to measure a depth profile of.

    Parameters
    ----------
    labels : (n,) int array
    split : (n,) array of str, optional
    size : int
        At most, or two a class where those are more.
    seed : int

    Returns
    -------
    (m,) int array
        Ascending; stratified by class and split.
    """
    size = max(size, 2 * len(np.unique(labels)))
    if len(labels) <= size:
        return np.arange(len(labels))
    return stratified_subset(labels, size, seed=seed, split=split)


def _stream(
    layers: Sequence[str], chunks: Iterable[Chunk], n: int, *, cosine: bool = False
) -> list[_Block]:
    """The features of n images, by layer."""
    blocks = [_Block(layer, n, cosine) for layer in layers]
    first = 0
    for chunk in chunks:
        size = len(chunk[0][0])
        if first + size <= n:
            for block, (X, Y) in zip(blocks, chunk, strict=True):
                block.add(X, Y, first)
        first += size
    if first != n:
        raise InputError(
            f"there are features of {first} images but {n} labels; give those of the same images"
        )
    return blocks


class _Block:
    """Features of one block before and after.

    Attributes
    ----------
    features : list of two (n, d) float32 arrays
    width : int
        Of the features before.
    zeros : int
        Rows of zeros, where all are scaled to unit length.
    """

    def __init__(self, layer: str, n: int, cosine: bool) -> None:
        self.layer, self.n, self.width = layer, n, 0
        self.cosine, self.zeros = cosine, 0
        self.features: list[np.ndarray] = []

    def add(self, X: np.ndarray, Y: np.ndarray, first: int) -> None:
        """Take the images from the first on."""
        if not (np.isfinite(X).all() and np.isfinite(Y).all()):
            raise InputError(
                f"the pooled output of layer {self.layer} is not finite for some image: its "
                "weights are damaged, or fine-tuning diverged"
            )
        if self.cosine:
            X, Y = self.unit(X), self.unit(Y)
        if not self.features:
            self.width = X.shape[1]
            self.features = [np.empty((self.n, F.shape[1]), np.float32) for F in (X, Y)]
        for kept, F in zip(self.features, (X, Y), strict=True):
            kept[first : first + len(F)] = F

    def unit(self, X: np.ndarray) -> np.ndarray:
        """Rows over their lengths."""
        lengths = np.linalg.norm(X, axis=1, keepdims=True)
        self.zeros += int((lengths == 0).sum())
        return X / np.where(lengths, lengths, 1)

    def row(self, split: str, measure: str, value: Estimate | float | None) -> dict[str, Any]:
        """One row of the table of measures."""
        return row_of(space_of(self.layer), split, measure, value)

    def similarity(self, seed: int) -> tuple[float | None, list[float | None]]:
        """CKA, and that without each group of images."""
        groups = np.array_split(np.random.default_rng(seed).permutation(self.n), GROUPS)
        X, Y = self.features
        shifts = X.mean(axis=0, dtype=np.float64), Y.mean(axis=0, dtype=np.float64)
        whole = pair_sums(X, Y, np.arange(self.n), shifts)
        return cka(whole), [cka(without(whole, pair_sums(X, Y, each, shifts))) for each in groups]

    def neighbors(
        self, labels: np.ndarray, split: np.ndarray | None, *, k: int, seed: int
    ) -> list[dict[str, Any]]:
        """Neighbours in common, of each split."""
        # On a GPU the networks' library holds the memory.
        near = [knn_graph(F, k=k, device="cpu").indices for F in self.features]
        shared = neighbors_kept(*near, k=k)
        rows = [
            self.row(
                name,
                "neighbors_overlap",
                intervals.mean(shared[judged], labels[judged], seed=seed),
            )
            for name, (judged, _) in parts(split, len(labels)).items()
        ]
        return [*rows, self.row("all", "overlap_by_chance", k / (len(labels) - 1))]

    def probes(
        self, labels: np.ndarray, split: np.ndarray, *, seed: int
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Linear probes before and after, of both splits, and remarks on them."""
        rows, remarks = [], []
        for stage, F in zip(("before", "after"), self.features, strict=True):
            found = linear_probe(F, labels, split, seed=seed)
            for name in ("test", "train"):
                count = found[f"n_{name}"]
                value = intervals.share(round(found[f"{name}_accuracy"] * count), count)
                rows.append({**self.row(name, "linear_probe", value), "stage": stage})
            if not found["converged"]:
                remarks.append(
                    f"the linear probe of {self.layer} did not converge {stage} fine-tuning"
                )
        return rows, remarks


def _similarities(blocks: Sequence[_Block], seed: int) -> list[dict[str, Any]]:
    """CKA of each block, and of each but the last whether it is above halfway."""
    if blocks[0].n < FEWEST:
        return [block.row("all", "cka", None) for block in blocks]
    values, left_out = zip(*(block.similarity(seed) for block in blocks), strict=True)

    rows = [
        block.row("all", "cka", jackknife(value, others))
        for block, value, others in zip(blocks, values, left_out, strict=True)
    ]
    for block, value, others in zip(blocks[:-1], values, left_out, strict=False):
        above = jackknife(
            _above_halfway(value, values[-1]),
            [_above_halfway(*pair) for pair in zip(others, left_out[-1], strict=True)],
        )
        rows.append(block.row("all", "cka_above_halfway", above))
    return rows


def _above_halfway(value: float | None, last: float | None) -> float | None:
    """CKA less the mean of 1 and the CKA of the last block."""
    return None if value is None or last is None else value - (1 + last) / 2
