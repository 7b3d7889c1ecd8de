"""C kernels of softmax: the race of WOSS, and the fitted exponentials of SI-exp with the division of SI-norm."""

from __future__ import annotations

import numpy as np

from processes.errors import DeployError
from processes.prefixes import rows_after
from processes.si_exp import SiExp
from processes.si_norm import SiNorm
from processes.woss import Woss
from targets.c99.kernels.kernel import Constants, Kernel, Place, State, Struct, fold, latest, size, thresholds, words
from targets.c99.kernels.neurons import stays_in_32_bits

SHARED: Struct = {"a": 1, "m": 1, "d": 1}
"""Struct fold of a single parameter that all neurons share."""


def woss(op: Woss, place: Place) -> Kernel:
    """Kernel of a WOSS softmax; its state holds potentials, each row's winner, and which neurons have fired."""
    neurons, several = size(op.shape), op.after is not None
    further: Struct = {"rows": 0, "after": None, "row_after": None}
    if several:
        assert op.prefixes is not None and op.after is not None
        further = {
            "rows": len(op.prefixes), "after": thresholds(op.after),
            "row_after": words(rows_after(op.prefixes, op.steps)),
        }  # fmt: skip
    return Kernel(
        "woss",
        {
            "row": _row(op, place, len(op.ramp)), "start": place.window.start, "steps": op.steps,
            "exchange": op.exchange_steps, "bits": op.state_bits, "ramp": thresholds(op.ramp),
            "race": None if op.race is None else thresholds(op.race), **further, **latest(op),
        },
        (
            State("int32_t", neurons), State("int32_t", size(op.shape[:-1])),
            State("int32_t", neurons) if several else None, State("int8_t", neurons), _excluded(place),
        ),
        absent=2 - len(place.shapes),
    )  # fmt: skip


def si_exp(op: SiExp, place: Place) -> Kernel:
    """Kernel of SI-exp, whose state is the potentials (and excluded keys, where a message excludes some)."""
    heads = len(op.threshold)
    clock = np.zeros((heads, 0), np.int64) if op.clock is None else op.clock
    stays_in_32_bits(op.state_bits + 1, op.reset, clock)
    return Kernel(
        "si_exp",
        {
            "row": _row(op, place, heads), "start": place.window.start, "digits": op.digits,
            "fitted": op.steps - op.digits, "bits": op.state_bits, "clock": words(op.clock), "half": words(op.half),
            "threshold": thresholds(op.threshold), "reset": words(op.reset),
        },
        (State("int32_t", size(op.shape)), _excluded(place)),
        absent=2 - len(place.shapes),
    )  # fmt: skip


def si_norm(op: SiNorm, place: Place) -> Kernel:
    """Kernel of SI-norm; its state holds what each neuron has received from its SI-exp neuron, and each row's sum."""
    phases, fitted = op.output.shape
    train, neurons = op.form == "train", size(op.shape)
    stays_in_32_bits(0, op.output)
    return Kernel(
        "si_norm",
        {
            "start": place.window.start, "start_source": place.starts[0], "steps": op.steps, "size": neurons,
            "columns": op.shape[-1], "digits": op.digits, "phases": phases, "fitted": fitted, "train": int(train),
            "rounded": int(op.rounded), "lift": -round(float(np.log2(op.scale.flat[0]))),
            "last": op.steps.bit_length() if train else op.steps, "output": words(op.output),
        },
        (
            State("int64_t", neurons), State("int64_t", size(op.shape[:-1])),
            State("int32_t", neurons), State("int32_t", neurons),
        ),
    )  # fmt: skip


def _row(op: Woss | SiExp, place: Place, heads: int) -> Struct:
    """Fields of struct row: which keys take part, and which of ``heads`` rows of the tables a neuron uses.

    Raises:
        DeployError: keys vary along axes that struct fold cannot express.
    """
    mask = op.mask()
    mask = mask.reshape(mask.shape[-len(op.shape) :]) if mask.ndim > len(op.shape) else mask
    masks, values = fold(op.shape, mask)
    key: Struct = SHARED
    if len(place.shapes) > 1:
        numbers = np.arange(size(place.shapes[1])).reshape(place.shapes[1])
        key, numbers = fold(op.shape, numbers)
        if not np.array_equal(numbers, np.arange(numbers.size)):
            raise DeployError(f"keys {place.shapes[1]} of samples {op.shape} vary along more than two groups of axes")
    return {
        "size": size(op.shape), "columns": op.shape[-1],
        "keys": size(place.shapes[1]) if len(place.shapes) > 1 else 0, "masks": masks, "key": key,
        "mask": Constants("uint8_t", values),
        "heads": {"a": heads, "m": size(op.shape[-2:]), "d": 1} if heads > 1 else SHARED,
    }  # fmt: skip


def _excluded(place: Place) -> State | None:
    """State with a flag for each key that a message of keys excludes; None if the node has no such operand."""
    return State("int8_t", size(place.shapes[1])) if len(place.shapes) > 1 else None
