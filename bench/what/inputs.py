"""Inputs of workloads: features of a study, images or their pixels, or a seeded mixture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline import store
from pipeline.errors import InputError
from pipeline.images.dataset import load_dataset
from pipeline.images.subset import stratified_subset


def load_input(spec: dict[str, Any], n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return n points of an input and their classes.

    Parameters
    ----------
    spec : dict
        Of the manifest: `features` and `table` (files of a study), or `source` (a data set of
        `pipeline.images.dataset`, as pixels 0 to 1) with an optional `pca`, or `classes` and
        `dimensions` of a mixture.
    n : int
    seed : int
        Of the stratified subset or of the mixture.

    Returns
    -------
    X : (n, d) float32
    labels : (n,) int64

    Raises
    ------
    InputError
        A file is missing or has fewer than n rows.
    """
    if "classes" in spec:
        return mixture(n, spec["dimensions"], classes=spec["classes"], seed=seed)
    points, labels = _from_study(spec) if "features" in spec else _from_images(spec, seed)
    points, labels = _subset(points, labels, n, seed)
    return np.array(points, dtype=np.float32, order="C"), np.asarray(labels, np.int64)


def load_images(spec: dict[str, Any], n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return n images of an input that has a `source`, and their classes.

    Returns
    -------
    images : (n, h, w, c) uint8
    labels : (n,) int64

    Raises
    ------
    InputError
        The input has no images, or fewer than n.
    """
    if "source" not in spec:
        raise InputError("the input has no images to extract features from: give one with a source")
    dataset = load_dataset(spec["source"], seed=seed)
    return _subset(dataset.images, dataset.labels, n, seed)


def _subset(
    points: np.ndarray, labels: np.ndarray, n: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    if n > len(labels):
        raise InputError(f"the input has {len(labels):,} rows but n is {n:,}: give a smaller n")
    if n == len(labels):
        return points, labels
    rows = stratified_subset(labels, n, seed=seed)
    return points[rows], labels[rows]


def mixture(
    n: int, d: int, *, classes: int, seed: int, latent: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian mixture: classes of unit spread, random centres in a random subspace, plus noise.

    The intrinsic dimension is `latent`, as features of images lie near few dimensions too; centres
    lie about 5 apart, so that classes touch.
    """
    random = np.random.default_rng(seed)
    basis = np.linalg.qr(random.normal(size=(d, min(latent, d))))[0].T  # (latent, d)
    centres = random.normal(size=(classes, len(basis)))
    labels = np.arange(n) % classes
    points = centres[labels] + random.normal(size=(n, len(basis)))
    X = points @ basis + 0.05 * random.normal(size=(n, d))
    return X.astype(np.float32), labels


def _from_study(spec: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    for name in (spec["features"], spec["table"]):
        if not Path(name).is_file():
            raise InputError(
                f"{name} does not exist: make it as bench/manifest.yaml says, or measure another "
                "input with --input mixture"
            )
    features = store.load_features(Path(spec["features"]))
    return features, store.load_table(Path(spec["table"]), points=len(features)).labels


def _from_images(spec: dict[str, Any], seed: int) -> tuple[np.ndarray, np.ndarray]:
    dataset = load_dataset(spec["source"], seed=seed)
    pixels = dataset.images.reshape(len(dataset.images), -1).astype(np.float32) / 255
    if "pca" in spec:
        from sklearn.decomposition import PCA

        pixels = PCA(spec["pca"], svd_solver="covariance_eigh").fit_transform(pixels)
    return pixels, dataset.labels
