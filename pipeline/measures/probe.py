"""Linear probe: how well a linear classifier tells the classes of fixed features apart."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.errors import InputError
from pipeline.images.subset import stratified_subset
from pipeline.neighbors.scale import scale_features

MAX_ITER = 1000
# Of training, rows x features x classes at most, which decides the time of an iteration: 60,000
# images with 1,280 features and 10 classes have 8e8.
WORK = 2e9


def linear_probe(
    features: np.ndarray, labels: np.ndarray, split: np.ndarray, *, seed: int = 0
) -> dict[str, Any]:
    """Train a linear classifier on the features of the training split, and test it on the others.

    Multinomial logistic regression with an L2 penalty (C = 1), fitted by L-BFGS to features that
    are standardised by the training split; after Alain & Bengio (2016, arXiv:1610.01644). A
    feature that is constant in the training split has no weight.

    Parameters
    ----------
    features : (n, d) array
        Finite, in any unit.
    labels : (n,) int array
    split : (n,) array of str
        "train" or "test".
    seed : int
        Of the training rows that are drawn, see `training_rows`.

    Returns
    -------
    dict
        train_accuracy and test_accuracy (0 to 1), n_train and n_test (the rows they are of), and
        converged (bool).

    Raises
    ------
    InputError
        Not one finite feature row, label and part of the split a point; or `probe_problem`.

    Notes
    -----
    float32 features are fitted in float32. One thread of BLAS, whose sums else depend on their
    number: 60,000 x 1,280 with 10 classes take 0.16 s an iteration, of which there are 20 to 300.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    labels, split = np.asarray(labels), np.asarray(split)
    for name, given in (("labels", labels), ("split", split)):
        if given.shape != (len(features),):
            raise InputError(
                f"the {name} have shape {given.shape} but the features have {len(features)} rows; "
                "give one a row"
            )
    if problem := probe_problem(labels, split):
        raise InputError(problem)
    X = scale_features(features).values
    train = training_rows(labels, split, X.shape[1], seed=seed)
    test = np.flatnonzero(split == "test")
    scaler, model = StandardScaler(copy=False), LogisticRegression(C=1.0, max_iter=MAX_ITER)
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        training = scaler.fit_transform(X[train])
        model.fit(training, labels[train])
        accuracy = {
            "train_accuracy": float(model.score(training, labels[train])),
            "test_accuracy": float(model.score(scaler.transform(X[test]), labels[test])),
        }
    stopped_early = any(issubclass(each.category, ConvergenceWarning) for each in caught)
    return {
        **accuracy,
        "n_train": len(train),
        "n_test": len(test),
        "converged": not stopped_early,
    }


def probe_problem(labels: np.ndarray, split: np.ndarray) -> str | None:
    """Why no probe can be trained and tested with a split: a sentence, or None.

    Parameters
    ----------
    labels : (n,) int array
    split : (n,) array of str
    """
    if strange := sorted(set(np.unique(split)) - {"train", "test"}):
        return f"the split has a part {str(strange[0])!r} but must be train or test"
    for part in ("train", "test"):
        if not (split == part).any():
            return f"there is no {part} image for a linear probe"
    classes = np.unique(labels[split == "train"])
    if len(classes) < 2:
        return f"all training images are of class {classes[0]}: a linear probe needs two classes"
    return None


def training_rows(labels: np.ndarray, split: np.ndarray, d: int, *, seed: int = 0) -> np.ndarray:
    """The rows a probe is trained on: all of the training split, or a stratified sample of it.

    Parameters
    ----------
    labels : (n,) int array
    split : (n,) array of str
    d : int
        Features.
    seed : int

    Returns
    -------
    (m,) int64
        Ascending. All training rows up to `WORK` of rows x features x classes, so that minutes are
        enough however many classes there are; above, so many as that allows, and two a class at
        least.
    """
    train = np.flatnonzero(split == "train")
    classes = len(np.unique(labels[train]))
    most = max(int(WORK / (d * classes)), 2 * classes)
    if len(train) <= most:
        return train
    return train[stratified_subset(labels[train], most, seed=seed)]
