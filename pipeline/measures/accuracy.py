"""Compare accuracies: whether a difference exceeds its standard error."""

from math import sqrt


def below_probe(
    test_accuracy: float | None, probe_test_accuracy: float | None, n_test: int | None
) -> str | None:
    """Say that fine-tuning ended below a linear probe of the features it started from.

    Parameters
    ----------
    test_accuracy : float or None
        Of the fine-tuned network.
    probe_test_accuracy : float or None
        Of `linear_probe` on the features before fine-tuning.
    n_test : int or None
        Test images of both.

    Returns
    -------
    str or None
        The sentence, where the difference exceeds its standard error, sqrt((p (1 - p) + q (1 - q))
        / n). That is of two sets of images; on the same images, where mostly the same ones are
        wrong, it is smaller, so that the sentence errs on the side of silence. None too where one
        of the numbers is not known.
    """
    if test_accuracy is None or probe_test_accuracy is None or not n_test:
        return None
    p, q = test_accuracy, probe_test_accuracy
    if q - p <= sqrt((p * (1 - p) + q * (1 - q)) / n_test):
        return None
    return (
        f"fine-tuning ended below a linear probe of the features before it, test accuracy {p:.3f} "
        f"against {q:.3f} on {n_test:,} images"
    )
