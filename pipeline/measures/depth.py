"""Depth profile: in which block of a network fine-tuning changed the representation.

Of each block, features before against after. They are never stored whole: debiased CKA is made of
sums over all images, and what needs neighbours or a classifier is measured on a sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.images.subset import stratified_subset
from pipeline.measures import intervals
from pipeline.measures.classes import parts
from pipeline.measures.intervals import GROUPS, Estimate, Z, standard_error
from pipeline.measures.overlap import neighbors_kept
from pipeline.measures.probe import linear_probe, probe_problem
from pipeline.measures.similarity import (
    Sums,
    cka,
    pair_sums,
    without,
)
from pipeline.measures.table import row_of, space_of
from pipeline.neighbors.graph import knn_graph
from pipeline.runtime.log import Progress

SAMPLE = 10_000  # images, stratified, that are kept for neighbours, probes and the jackknife
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
    sample: int = SAMPLE,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare the features of each block before and after fine-tuning, in one pass over images.

    The interval of CKA is that of a jackknife over 20 groups of the sample, its standard error
    times sqrt(m / n) for m images of n: sums of each group for all images would take gigabytes.

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
        Neighbours that count; fewer where the sample has not k + 1 images.
    cosine : bool
        Whether to scale the features of an image to unit length first; those that are all zeros
        stay, and are counted in a warning.
    sample : int
        Images to sample at most, or two a class where those are more.
    seed : int
        Of the sample, the groups, the probes and the resamples behind intervals.

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
    rows = _sample(labels, split, sample, seed)
    blocks = _stream(layers, chunks, rows, n, cosine=cosine)
    labels, split = labels[rows], None if split is None else np.asarray(split)[rows]
    warnings = []
    if k >= len(rows):
        warnings.append(f"{k} neighbours need {k + 1} images but there are {len(rows)}")
        k = len(rows) - 1
    problem = "there is no split" if split is None else probe_problem(labels, split)
    if problem:
        warnings.append(f"no linear probe of a block: {problem}")
    warnings += [
        f"{block.zeros:,} times the features of an image in {block.layer} are all zeros: they have "
        "no cosine"
        for block in blocks
        if block.zeros
    ]
    measures = _similarities(blocks, n, seed)
    progress = Progress("depth: neighbours and probes", len(blocks))
    for block in blocks:
        measures += block.neighbors(labels, split, k=k, seed=seed)
        if split is not None and not problem:
            probes, remarks = block.probes(labels, split, seed=seed)
            measures += probes
            warnings += remarks
        block.kept.clear()
        progress.update()
    progress.close()
    return {
        **{"k": k, "images": n, "sample": len(rows)},
        "blocks": [{"layer": block.layer, "features": block.width} for block in blocks],
        "measures": measures,
        "warnings": warnings,
    }


def _sample(labels: np.ndarray, split: np.ndarray | None, size: int, seed: int) -> np.ndarray:
    """Rows of the sample, ascending: all, or so many, stratified by class and split."""
    size = max(size, 2 * len(np.unique(labels)))
    if len(labels) <= size:
        return np.arange(len(labels))
    return stratified_subset(labels, size, seed=seed, split=split)


def _stream(
    layers: Sequence[str],
    chunks: Iterable[Chunk],
    rows: np.ndarray,
    n: int,
    *,
    cosine: bool = False,
) -> list[_Block]:
    """Add up the sums of all images, and keep the features of some rows."""
    blocks = [_Block(layer, len(rows), cosine) for layer in layers]
    first = 0
    for chunk in chunks:
        size = len(chunk[0][0])
        places = slice(*np.searchsorted(rows, [first, first + size]))
        for block, (X, Y) in zip(blocks, chunk, strict=True):
            block.add(X, Y, places, rows[places] - first)
        first += size
    if first != n:
        raise InputError(
            f"there are features of {first} images but {n} labels; give those of the same images"
        )
    return blocks


class _Block:
    """Sums over all images, and features of the sample, of one block before and after.

    Attributes
    ----------
    sums : dict of str to Sums
        As of `pair_sums`, of rows less the mean of the first chunk, which changes nothing but
        rounding errors.
    kept : list of two (m, d) float32 arrays
        Of the sample, before and after.
    zeros : int
        Rows of zeros, where all are scaled to unit length.
    """

    def __init__(self, layer: str, sampled: int, cosine: bool) -> None:
        self.layer, self.sampled, self.width = layer, sampled, 0
        self.cosine, self.zeros = cosine, 0
        self.sums: dict[str, Sums] = {}
        self.kept: list[np.ndarray] = []
        self.shifts: tuple[np.ndarray, ...] = ()

    def add(self, X: np.ndarray, Y: np.ndarray, places: slice, chosen: np.ndarray) -> None:
        """Take the next images, of which the chosen rows go to places of the sample."""
        if not (np.isfinite(X).all() and np.isfinite(Y).all()):
            raise InputError(
                f"the pooled output of layer {self.layer} is not finite for some image: its "
                "weights are damaged, or fine-tuning diverged"
            )
        if self.cosine:
            X, Y = self.unit(X), self.unit(Y)
        if not self.kept:
            self.width = X.shape[1]
            self.shifts = tuple(F.mean(axis=0, dtype=np.float64) for F in (X, Y))
            self.kept = [np.empty((self.sampled, F.shape[1]), np.float32) for F in (X, Y)]
        new = pair_sums(X, Y, np.arange(len(X)), self.shifts)
        known = self.sums
        self.sums = {name: known[name].with_(new[name]) for name in new} if known else new
        for kept, F in zip(self.kept, (X, Y), strict=True):
            kept[places] = F[chosen]

    def unit(self, X: np.ndarray) -> np.ndarray:
        """Rows over their lengths."""
        lengths = np.linalg.norm(X, axis=1, keepdims=True)
        self.zeros += int((lengths == 0).sum())
        return X / np.where(lengths, lengths, 1)

    def row(self, split: str, measure: str, value: Estimate | float | None) -> dict[str, Any]:
        """One row of the table of measures."""
        return row_of(space_of(self.layer), split, measure, value)

    def left_out(self, groups: Sequence[np.ndarray]) -> list[float | None]:
        """CKA of the sample without each of its groups."""
        X, Y = self.kept
        whole = pair_sums(X, Y, np.concatenate(groups), self.shifts)
        return [cka(without(whole, pair_sums(X, Y, group, self.shifts))) for group in groups]

    def neighbors(
        self, labels: np.ndarray, split: np.ndarray | None, *, k: int, seed: int
    ) -> list[dict[str, Any]]:
        """Neighbours in common of the sample, of each split."""
        # On a GPU the networks' library holds the memory.
        near = [knn_graph(F, k=k, device="cpu").indices for F in self.kept]
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
        """Linear probes of the sample before and after, of both splits, and remarks on them."""
        rows, remarks = [], []
        for stage, F in zip(("before", "after"), self.kept, strict=True):
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


def _similarities(blocks: Sequence[_Block], n: int, seed: int) -> list[dict[str, Any]]:
    """CKA of each block, and of each but the last whether it is above halfway."""
    m = blocks[0].sampled
    if min(n, m) < FEWEST:
        return [block.row("all", "cka", None) for block in blocks]
    groups = np.array_split(np.random.default_rng(seed).permutation(m), GROUPS)
    values = [cka(block.sums) for block in blocks]
    left_out = [block.left_out(groups) for block in blocks]
    scale = Z * np.sqrt(m / n)

    def estimate(value: float | None, others: Sequence[float | None]) -> Estimate | None:
        if value is None:
            return None
        half = scale * standard_error(others)
        return Estimate(value, value - half, value + half)

    rows = [
        block.row("all", "cka", estimate(value, others))
        for block, value, others in zip(blocks, values, left_out, strict=True)
    ]
    for block, value, others in zip(blocks[:-1], values, left_out, strict=False):
        above = estimate(
            _above_halfway(value, values[-1]),
            [_above_halfway(*pair) for pair in zip(others, left_out[-1], strict=True)],
        )
        rows.append(block.row("all", "cka_above_halfway", above))
    return rows


def _above_halfway(value: float | None, last: float | None) -> float | None:
    """CKA less the mean of 1 and the CKA of the last block."""
    return None if value is None or last is None else value - (1 + last) / 2
