"""A temperature that makes predicted probabilities fit the noisy labels better."""

from __future__ import annotations

import numpy as np
import scipy  # not its submodules: each is loaded when it is first used
from numpy.typing import ArrayLike

from labelnoise._checks import as_array, check_number
from labelnoise.errors import InputError
from labelnoise.estimators._inputs import Floats, check_inputs, row_blocks

COLDEST = 1e-100  # below which only the largest probabilities are left, as they are at it
LARGEST_LOG = 5.0  # temperatures from 1/148 to 148


def _logs(probs: Floats) -> Floats:
    """Logarithms in float64; what float32 has rounded to 0 counts as the least it could have been, 1e-38."""
    return np.log(np.maximum(probs, np.finfo(np.float32).tiny), dtype=np.float64)


def temperature(pred_probs: ArrayLike, noisy_labels: ArrayLike) -> float:
    """The temperature t under which ``softmax(log(pred_probs) / t)`` fits the noisy labels best.

    Guo et al. 2017 (arXiv:1706.04599, section 4.2): t minimises the negative log likelihood. That
    is convex in 1 / t, so that the minimum found is the global one. Above 1, the probabilities
    were too sure of themselves; below 1, not sure enough.

    Assumes probabilities that are held out: labels that a network has memorised ask for a
    temperature near 0.

    Args:
        pred_probs: shape (n_samples, n_classes); P(noisy | x). A 0 counts as 1e-38.
        noisy_labels: shape (n_samples,).

    Returns:
        t, from 1/148 to 148. Where no label differs from the likeliest class none is best, and t
        is one so small that float64 sees no loss.

    Raises:
        InputError: as `check_inputs`.

    >>> round(temperature([[0.9, 0.1]] * 4, [0, 0, 0, 1]), 2)  # three in four labels are of class 0
    2.0
    """
    probs, labels = check_inputs(pred_probs, noisy_labels)
    logs = _logs(probs)
    blocks = row_blocks(logs)
    own = float(np.take_along_axis(logs, labels[:, None], axis=1).sum())

    def loss(log_t: float) -> float:
        scale = np.exp(-log_t)
        totals = sum(float(scipy.special.logsumexp(logs[block] * scale, axis=1).sum()) for block in blocks)
        return float(totals - own * scale) / len(logs)

    bounds = (-LARGEST_LOG, LARGEST_LOG)
    found = scipy.optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def scaled(pred_probs: ArrayLike, temperature: float) -> Floats:
    """The probabilities ``softmax(log(pred_probs) / temperature)`` (Guo et al. 2017, arXiv:1706.04599, equation 9).

    Args:
        pred_probs: shape (..., n_classes), each 0 or more; a 0 counts as 1e-38.
        temperature: above 0 and finite; 1 changes nothing, more brings classes closer together.

    Returns:
        A new array of the same shape, in float64.

    Raises:
        InputError: numbers that are negative, not finite or no floats; a temperature that is not positive.

    >>> scaled([0.9, 0.1], 2).round(2)
    array([0.75, 0.25])
    """
    temperature = check_number(temperature, "A temperature must be positive and finite", lambda value: value > 0)
    probs = as_array(pred_probs, "pred_probs")
    if not np.issubdtype(probs.dtype, np.floating) or not probs.shape[-1]:
        raise InputError(f"pred_probs must be floating-point probabilities by class, not {probs.dtype} {probs.shape}.")
    if len(wrong := probs[~((probs >= 0) & (probs < np.inf))]):
        worst = wrong[0]
        raise InputError(f"pred_probs has the value {worst}; pass probabilities, and apply a softmax to logits first.")
    logs = _logs(probs)
    if temperature < COLDEST:
        logs -= logs.max(axis=-1, keepdims=True)
    return scipy.special.softmax(logs / max(temperature, COLDEST), axis=-1)
