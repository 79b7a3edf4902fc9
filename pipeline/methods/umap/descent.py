"""UMAP's stochastic gradient descent, with the same bits for any number of threads."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kernels.backend import get_backend
from pipeline.runtime.log import Progress

BLOCKS = 16  # of points: half as many threads are busy; a power of two
# Points, below which there are two blocks and one thread: 16 keep 2 % fewer neighbours of 2,000.
FEW = 10_000


class Strata(NamedTuple):
    """Edges in the order of the descent: as `kernels.cpu.umap.descend_epoch` takes them.

    Attributes
    ----------
    strata, starts, heads, tails, shares, bounds
        See there.
    order : (n,) int64
        The points in the order of their blocks, by which heads and tails count them.
    """

    strata: np.ndarray
    starts: np.ndarray
    heads: np.ndarray
    tails: np.ndarray
    shares: np.ndarray
    bounds: np.ndarray
    order: np.ndarray


def descend(
    memberships: Any,
    start: np.ndarray,
    *,
    a: float,
    b: float,
    n_epochs: int,
    learning_rate: float,
    repulsion_strength: float,
    negative_sample_rate: int,
    random: np.random.RandomState,
) -> np.ndarray:
    """Minimise UMAP's fuzzy cross-entropy by sampling (McInnes, Healy & Melville 2018).

    Parameters
    ----------
    memberships : (n, n) sparse matrix
        Symmetric; edges of less than 1 / n_epochs of the largest are left out, as in umap-learn.
    start : (n, p) float32
    a, b : float
        Of the curve 1 / (1 + a d^2b).
    n_epochs : int
        The learning rate falls from its value to 0 in them.
    learning_rate, repulsion_strength : float
    negative_sample_rate : int
        Points that repel, for each edge drawn.
    random : RandomState
        Draws the blocks of points and the points that repel.

    Returns
    -------
    (n, p) float32
    """
    blocks = BLOCKS if len(start) >= FEW else 2
    strata = stratify(memberships, n_epochs, random.permutation(len(start)), blocks)
    seed = np.uint64(random.randint(2**32, dtype=np.uint64))
    Y = np.ascontiguousarray(start[strata.order], dtype=np.float32)
    kernels = get_backend("cpu").kernels("umap")
    progress = Progress("UMAP", n_epochs)
    for epoch in range(1, n_epochs):
        rate = learning_rate * (1 - (epoch - 1) / n_epochs)
        kernels.descend_epoch(
            *strata[:-1], Y, epoch, rate, a, b, repulsion_strength, negative_sample_rate, seed
        )
        progress.update()
    layout = np.empty_like(Y)
    layout[strata.order] = Y
    return layout


def stratify(memberships: Any, n_epochs: int, order: np.ndarray, blocks: int) -> Strata:
    """Cut the points into blocks, and the edges into strata of tasks that share no point.

    Blocks of points meet in all ordered pairs: that of the head, that of the tail. An edge and its
    reverse are half an epoch apart: side by side, they would throw their points to and fro, and
    more than a seed changes the layout (2 to 5 % fewer neighbours kept).
    """
    n = len(order)
    bounds = n * np.arange(blocks + 1) // blocks
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    edges = memberships.tocsr().tocoo()  # in the order of their heads
    shares = edges.data.astype(np.float64) / edges.data.max()
    drawn = shares >= 1 / n_epochs
    heads, tails, shares = place[edges.row[drawn]], place[edges.col[drawn]], shares[drawn]

    rounds = tournament(blocks)
    strata = np.concatenate([rounds, rounds[:, :, ::-1]])
    count, tasks = strata.shape[:2]
    task_of = np.empty((blocks, blocks), np.int64)
    first, second = strata.reshape(-1, 2).T
    task_of[first, second] = np.arange(count * tasks)
    # Within a block, too: one direction in the first stratum, the other one half the strata later.
    pairs = strata[0]
    task_of[pairs, pairs] = np.arange(tasks)[:, None]
    block = np.searchsorted(bounds, np.arange(n), side="right") - 1
    within = block[heads] == block[tails]
    task = task_of[block[heads], block[tails]] + within * (heads > tails) * (len(rounds) * tasks)
    by_task = np.argsort(task, kind="stable")
    cuts = np.searchsorted(task[by_task], np.arange(count * tasks + 1))
    starts = cuts[np.arange(count)[:, None] * tasks + np.arange(tasks + 1)]
    heads, tails = (ends[by_task].astype(np.int32) for ends in (heads, tails))
    return Strata(strata, starts, heads, tails, shares[by_task], bounds, order)


def tournament(players: int) -> np.ndarray:
    """A round-robin tournament: in each round all meet in pairs, and after the last all have met.

    Parameters
    ----------
    players : int
        Even.

    Returns
    -------
    (players - 1, players / 2, 2) int64
    """
    rounds = []
    ring = np.arange(players)
    for _ in range(players - 1):
        rounds.append(np.column_stack([ring, ring[::-1]])[: players // 2])
        ring[1:] = np.roll(ring[1:], 1)
    return np.array(rounds)
