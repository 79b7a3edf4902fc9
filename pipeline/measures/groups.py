"""Groups that are no class: communities of the exact graph that images of many classes form.

Another photo session, a watermark, a camera: images that lie together for another reason than their
class. A community is mixed if none of its classes has half of its images. Where classes overlap
everywhere, most communities are; such a mixture is no news. It is where images of the same classes
live among their own class elsewhere: these groups stand apart, and they alone are listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

SMALLEST = 0.01  # of all images
HALF = 0.5


class Groups(NamedTuple):
    """Communities before and after, and those that are no class.

    Attributes
    ----------
    numbers : dict of str to (n,) int array
        By stage, what `communities` returns.
    communities : list of dict
        Of each stage: stage, communities, and mixed, how many of these have no class with half of
        their images.
    listed : list of dict
        The groups that stand apart, those that are there after fine-tuning first, then by size:
        stages, a list of "before" and "after"; communities, their numbers by stage; jaccard of the
        two, else None; rows, the members (of the community after, if there is one); size; classes,
        a list of class (int) and images, the most frequent first; majority_share;
        own_class_elsewhere, see the function of this name; test_images, test_errors and
        test_accuracy of the members, and all_test_errors, of all images: None where not known.
    """

    numbers: dict[str, np.ndarray]
    communities: list[dict[str, Any]]
    listed: list[dict[str, Any]]


def find_groups(
    neighbors: Mapping[str, np.ndarray],
    labels: np.ndarray,
    *,
    k: int = 15,
    tested: np.ndarray | None = None,
    wrong: np.ndarray | None = None,
) -> Groups:
    """Find the groups that are no class before fine-tuning, after it, or both.

    A community before and one after are one group if more than half of the images of either are
    of both (Jaccard above 0.5), which at most one pair can be; a group without such a partner has
    dissolved, or formed (Hennig, 2008, Journal of Multivariate Analysis 99, 1154-1176).

    Parameters
    ----------
    neighbors : mapping of "before" and "after" to (n, >= k) int array
        Of the exact graphs, nearest first.
    labels : (n,) int array
    k : int
    tested : (n,) bool array, optional
        The test images.
    wrong : (n,) bool array, optional
        Whether the fine-tuned network misses an image's class.

    Returns
    -------
    Groups
    """
    stages = {
        stage: _described(communities(indices, k=k), indices[:, :k], labels)
        for stage, indices in neighbors.items()
    }
    listed = []
    for found, jaccard in _matched(stages):
        if not any(stages[stage].apart[number] for stage, number in found.items()):
            continue
        last = "after" if "after" in found else "before"
        own = stages[last].numbers == found[last]
        listed.append(
            {
                **{"stages": list(found), "communities": found, "jaccard": jaccard},
                **_of_members(own, labels),
                "own_class_elsewhere": float(stages[last].elsewhere[found[last]]),
                **_errors(own, tested, wrong),
            }
        )
    listed.sort(key=lambda group: ("after" not in group["stages"], -group["size"]))
    return Groups(
        {stage: each.numbers for stage, each in stages.items()},
        [
            {"stage": stage, "communities": len(each.mixed), "mixed": int(each.mixed.sum())}
            for stage, each in stages.items()
        ],
        listed,
    )


def communities(neighbors: np.ndarray, *, k: int = 15) -> np.ndarray:
    """Communities of the undirected graph of the k nearest neighbours.

    The Louvain algorithm (Blondel, Guillaume, Lambiotte & Lefebvre, 2008, J. Stat. Mech. P10008)
    maximises Newman's modularity, mutual neighbours counting twice; nodes are visited in their
    order, without a random number and by one thread. (scikit-network's Leiden draws from C's
    rand(), which cannot be seeded from here.) Communities that it leaves disconnected, as it may
    (Traag, Waltman & van Eck, 2019, Scientific Reports 9, 5233), are taken apart.

    Parameters
    ----------
    neighbors : (n, >= k) int array
        Nearest first.
    k : int

    Returns
    -------
    (n,) int array
        The number of each image's community, 0 for the largest; -1 in communities of less than 1 %
        of the images, or of no more than k.
    """
    from sknetwork.clustering import Louvain

    n = len(neighbors)
    directed = csr_matrix(
        (np.ones(n * k), neighbors[:, :k].ravel(), np.arange(n + 1) * k), shape=(n, n)
    )
    graph = (directed + directed.T).tocsr()
    louvain = Louvain(modularity="newman", return_probs=False, return_aggregate=False)
    return _numbered(_connected(graph, louvain.fit_predict(graph)), max(SMALLEST * n, k + 1))


def _connected(graph: csr_matrix, found: np.ndarray) -> np.ndarray:
    """The connected components within the communities found, by their first member."""
    edges = graph.tocoo()
    inside = found[edges.row] == found[edges.col]
    kept = csr_matrix((edges.data[inside], (edges.row[inside], edges.col[inside])), graph.shape)
    return connected_components(kept, directed=False)[1]


def _numbered(found: np.ndarray, smallest: float) -> np.ndarray:
    """Communities by their size, the largest first, and -1 for those below the smallest."""
    sizes = np.bincount(found)
    order = np.argsort(-sizes, kind="stable")
    numbers = np.empty(len(sizes), np.int64)
    numbers[order] = np.arange(len(sizes))
    numbers[sizes < smallest] = -1
    return numbers[found]


class _Stage(NamedTuple):
    """The communities of a stage: their images' numbers, and what is known of each."""

    numbers: np.ndarray
    mixed: np.ndarray
    elsewhere: np.ndarray
    apart: np.ndarray


def _described(numbers: np.ndarray, near: np.ndarray, labels: np.ndarray) -> _Stage:
    """What the classes of communities are."""
    own_share = (labels[near] == labels[:, None]).mean(axis=1)
    shape = int(numbers.max()) + 2, int(labels.max()) + 1  # the first row: of no community
    cells = (numbers + 1) * shape[1] + labels
    counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
    own = np.bincount(cells, own_share, minlength=shape[0] * shape[1]).reshape(shape)
    mixed = counts[1:].max(axis=1, initial=0) < HALF * counts[1:].sum(axis=1)
    elsewhere = own_class_elsewhere(counts, own)[1:]
    return _Stage(numbers, mixed, elsewhere, mixed & (elsewhere >= HALF))


def own_class_elsewhere(counts: np.ndarray, own: np.ndarray) -> np.ndarray:
    """How much the classes of a community live among their own class elsewhere.

    The share of images of its classes that are outside, times their own-class share of neighbours
    there: near 1 for images drawn from separated classes; near 0 where several whole classes are
    one community, of which little is outside, or classes overlap everywhere. A mixed community
    stands apart from one half on.

    Parameters
    ----------
    counts : (g, c) int array
        Images of each community and class, all images being in one of the g.
    own : (g, c) array
        Sums of the own-class shares of their neighbours.

    Returns
    -------
    (g,) float64
        Averaged over the members of a community, NaN where there are none.
    """
    images = np.maximum(counts.sum(axis=0), 1)
    outside = (own.sum(axis=0) - own) / images
    sizes = counts.sum(axis=1)
    total = (counts * outside).sum(axis=1)
    return np.divide(total, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)


def _matched(
    stages: Mapping[str, _Stage],
) -> Iterator[tuple[dict[str, int], float | None]]:
    """Mixed communities by stage, those of two stages that are one group together."""
    before, after = stages["before"], stages["after"]
    shape = len(before.mixed) + 1, len(after.mixed) + 1
    cells = (before.numbers + 1) * shape[1] + after.numbers + 1
    shared = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
    union = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0) - shared
    jaccard = (shared / np.maximum(union, 1))[1:, 1:]
    jaccard[~before.mixed] = jaccard[:, ~after.mixed] = 0
    pairs = np.argwhere(jaccard > HALF)
    for old, new in pairs.tolist():
        yield {"before": old, "after": new}, float(jaccard[old, new])
    for stage, matched in (("before", pairs[:, 0]), ("after", pairs[:, 1])):
        for number in np.setdiff1d(np.flatnonzero(stages[stage].mixed), matched).tolist():
            yield {stage: number}, None


def _of_members(own: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Who is in a group."""
    classes, counts = np.unique(labels[own], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    size = int(own.sum())
    return {
        "rows": np.flatnonzero(own),
        "size": size,
        "classes": [{"class": int(classes[each]), "images": int(counts[each])} for each in order],
        "majority_share": float(counts.max() / size),
    }


def _errors(
    own: np.ndarray, tested: np.ndarray | None, wrong: np.ndarray | None
) -> dict[str, int | float | None]:
    """How many of a group's test images the fine-tuned network misses."""
    names = ("test_images", "test_errors", "test_accuracy", "all_test_errors")
    if tested is None or wrong is None:
        return dict.fromkeys(names)
    images, errors = int((own & tested).sum()), int((own & tested & wrong).sum())
    accuracy = 1 - errors / images if images else None
    return dict(zip(names, (images, errors, accuracy, int((tested & wrong).sum())), strict=True))
