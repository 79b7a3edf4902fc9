"""Features in a reduced precision against float32: neighbours in common, and images a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.images.subset import stratified_subset
from pipeline.measures.overlap import neighbors_kept
from pipeline.measures.votes import knn_accuracy
from pipeline.neighbors.graph import knn_graph
from pipeline.networks.backbone import FEATURES
from pipeline.networks.features import extract_features

if TYPE_CHECKING:
    import keras

REDUCED = ("float16", "bfloat16")


def compare_precisions(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    precisions: tuple[str, ...] = REDUCED,
    k: int = 15,
    layer: str = FEATURES,
) -> dict[str, dict[str, Any]]:
    """Extract features in float32 and in other precisions, and compare their exact neighbours.

    Parameters
    ----------
    model : keras.Model
    images : (n, h, w, c) uint8 array
    labels : (n,) int array
    precisions : tuple of keys of `pipeline.networks.precision.PRECISIONS`
        Beside float32.
    k : int
        Neighbours that count.
    layer : str

    Returns
    -------
    dict
        For each precision, float32 first: `recall`, the mean share of a point's k nearest in
        float32 that are among its k nearest; `knn_accuracy` in feature space; `relative_error`, the
        root mean square of the difference as a share of that of the centred float32 features; and
        the `info` of `extract_features`.
    """
    exact, info, _ = extract_features(model, images, layer=layer, precision="float32")
    near = knn_graph(exact, k=k).indices
    spread = np.sqrt(np.mean((exact - exact.mean(axis=0)) ** 2))
    same = {"recall": 1.0, "relative_error": 0.0}
    rows = {"float32": same | {"knn_accuracy": knn_accuracy(near, labels, k=k), **info}}
    for precision in precisions:
        features, info, _ = extract_features(model, images, layer=layer, precision=precision)
        neighbors = knn_graph(features, k=k).indices
        rows[precision] = {
            "recall": float(neighbors_kept(near, neighbors, k=k).mean()),
            "relative_error": float(np.sqrt(np.mean((features - exact) ** 2)) / spread),
            "knn_accuracy": knn_accuracy(neighbors, labels, k=k),
            **info,
        }
    return rows


def measure(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    subset: int | None = None,
    precisions: tuple[str, ...] = REDUCED,
    k: int = 15,
) -> dict[str, Any]:
    """`compare_precisions` on images or a stratified subset of them, and on which machine."""
    from bench.run import machine, results

    rows = np.arange(len(labels))
    if subset is not None and subset < len(rows):
        rows = stratified_subset(labels, subset, seed=0)
    compared = compare_precisions(model, images[rows], labels[rows], precisions=precisions, k=k)
    return {
        "machine": machine.describe(),
        "versions": results.environment(),
        "commit": results.commit(),
        "network": model.name,
        "images": len(rows),
        "k": k,
        "precisions": compared,
    }


def demo() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """The demo's network, pre-trained on CIFAR-10, and scikit-learn's digits with their classes."""
    from pipeline.images.dataset import load_dataset
    from pipeline.networks.backbone import build_backbone

    data = load_dataset("digits")
    model, _ = build_backbone(
        "MobileNet",
        input_shape=data.images.shape[1:],
        image_size=32,
        alpha=0.25,
        weights="demo",
    )
    return model, data.images, data.labels
