"""Measures of how close two sets of outputs (N, *output) are; fractions lie in [0, 1]."""

from __future__ import annotations

import numpy as np


def predictions(outputs: np.ndarray) -> np.ndarray:
    """Class of the largest score, int64 (N,), for class scores (N, classes); raises ValueError for other shapes."""
    if outputs.ndim != 2:
        raise ValueError(f"class scores have shape (N, classes), these have {outputs.shape}")
    return outputs.argmax(-1)


def accuracy(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of samples whose prediction is their label (N,)."""
    return float((predictions(outputs) == labels).mean())


def agreement(outputs: np.ndarray, reference: np.ndarray) -> float:
    """Fraction of samples for which both outputs (N, classes) predict the same class."""
    return accuracy(outputs, predictions(reference))


def expected_losses(outputs: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Expected loss of accuracy by sample, (N,) in [0, 1], from the class probabilities of the reference.

    p(class that the reference predicts) - p(class that the outputs predict), with p the softmax of the reference's
    scores: 0 where both predict the same. If the reference is calibrated, the mean is the accuracy lost; it is at most
    the share of changed predictions. On few samples it varies far less than a difference of accuracies, in which
    changes for the better hide changes for the worse.
    """
    scores = np.exp(reference.astype(np.float64) - reference.max(-1, keepdims=True))
    chances = scores / scores.sum(-1, keepdims=True)
    now = np.take_along_axis(chances, predictions(outputs)[:, None], axis=-1)[:, 0]
    return chances.max(-1) - now


def output_cosine(outputs: np.ndarray, reference: np.ndarray) -> float:
    """Mean over samples of the cosine between a sample's whole output and the reference's.

    Two zero outputs count as 1, a zero output beside another as 0.
    """
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (outputs, reference))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    both_zero = ~a.any(1) & ~b.any(1)
    cosines = np.divide((a * b).sum(1), lengths, out=both_zero.astype(np.float64), where=lengths > 0)
    return float(cosines.mean())


def relative_error(values: np.ndarray, reference: np.ndarray) -> float | None:
    """|values - reference| / |reference|, L2 norm over everything; None if only the reference is zero."""
    difference = float(np.linalg.norm(values.astype(np.float64) - reference.astype(np.float64)))
    size = float(np.linalg.norm(reference.astype(np.float64)))
    if size == 0:
        return 0.0 if difference == 0 else None
    return difference / size
