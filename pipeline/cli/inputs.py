"""What several verbs read and write in the same way."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import artefacts, store

if TYPE_CHECKING:
    import numpy as np

    from pipeline.neighbors.graph import Graph


def given_features(path: Path, metric: str) -> "np.ndarray":
    """The features of a file, for the cosine over their lengths."""
    from pipeline.neighbors.scale import normalize_rows

    values = store.load_features(path)
    return normalize_rows(values) if metric == "cosine" else values


def given_graph(path: Path | None, features: Path, points: int, metric: str) -> "Graph | None":
    """The graph of a file, checked to be one of these features by this metric."""
    from pipeline.neighbors.graph import check_graph

    if path is None:
        return None
    artefacts.check_made_from(path, features)
    artefacts.check_same_metric(path, metric)
    return check_graph(store.load_graph(path), points, source=str(path))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole, or leave what was there."""
    with artefacts.atomic(path) as temporary:
        temporary.write_bytes(content)
