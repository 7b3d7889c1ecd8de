"""C kernels of neurons that code values as spikes, divide by a dynamic threshold, or hold potentials."""

from __future__ import annotations

import numpy as np

from processes.dynamic_threshold import DynamicThreshold
from processes.errors import DeployError
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import FixedSchedule
from processes.prefixes import rows_after
from processes.readout import Readout
from processes.residual import Centre, Residual
from processes.si_neuron import SiNeuron
from targets.c99.kernels.kernel import Constants, Kernel, Place, State, Struct, fold, latest, size, thresholds, words


def phase_neuron(op: PhaseNeuron, place: Place) -> Kernel:
    """Kernel of a phase neuron: threshold tables shared by many neurons, and the mantissa and shift of each scale."""
    schedule = op.schedule
    assert isinstance(schedule, FixedSchedule)
    scales, mantissa = fold(op.shape, schedule.mantissa)
    follows = op.spikes > 1 and schedule.after is not None and schedule.prefixes is not None
    further: Struct = {"rows": 0, "after": None, "row_after": None}
    if follows:
        assert schedule.after is not None and schedule.prefixes is not None
        further = {
            "rows": len(schedule.prefixes), "after": thresholds(schedule.after),
            "row_after": words(rows_after(schedule.prefixes, schedule.steps)),
        }  # fmt: skip
    neurons = size(op.shape)
    return Kernel(
        "phase_neuron",
        {
            "start": place.window.start, "steps": schedule.steps, "size": neurons, "spikes": op.spikes,
            "bits": op.state_bits,
            "scales": scales, "kind": words(fold(op.shape, schedule.scale_class)[1]),
            "mantissa": words(mantissa), "shift": words(fold(op.shape, schedule.shift)[1]),
            "pos": thresholds(schedule.pos), "lo": thresholds(schedule.lo), "hi": thresholds(schedule.hi),
            "level": words(schedule.level), **latest(op), **further,
        },
        (
            State("int32_t", neurons),
            State("int32_t", neurons) if follows else None,
            State("int8_t", neurons),
        ),
    )  # fmt: skip


def si_neuron(op: SiNeuron, place: Place) -> Kernel:
    """Kernel of a fitted SIT neuron: thresholds and resets for each scale and step."""
    scales: Struct = {"a": 1, "m": 1, "d": 1}
    if len(op.threshold) > 1:
        scales, _ = fold(op.shape, op.unit)
    stays_in_32_bits(op.state_bits, op.reset)
    return Kernel(
        "si_neuron",
        {
            "start": place.window.start, "steps": op.steps, "size": size(op.shape), "bits": op.state_bits,
            "scales": scales, "threshold": thresholds(op.threshold), "reset": words(op.reset),
            "sign": Constants("int8_t", op.sign),
        },
        (State("int32_t", size(op.shape)),),
    )  # fmt: skip


def stays_in_32_bits(bits: int, *steps: np.ndarray) -> None:
    """Raise DeployError if a potential of ``bits`` bits may leave 32 bits by the changes in ``steps`` (rows, K)."""
    reach = sum(int(np.abs(step.astype(np.int64)).sum(-1).max(initial=0)) for step in steps)
    if 2 ** (bits + 1) + reach >= 2**31:
        raise DeployError(
            f"steps of a fitted neuron add up to {reach}, which with {bits} bits of potential exceeds 32 bits"
        )


def dynamic_threshold(op: DynamicThreshold, place: Place) -> Kernel:
    """Kernel of a dynamic threshold: a row of its table for each scale; state for potentials and each row's factor."""
    assert op.shift is not None
    scales, _ = fold(op.shape, op.scale)
    rows, columns, several = size(op.shape[:-1]), op.shape[-1], op.spikes > 1
    further: Struct = dict.fromkeys(("levels", "midpoints", "gain", "gain_shift"))
    if several:
        assert op.levels is not None and op.midpoints is not None and op.gain is not None and op.gain_shift is not None
        further = {
            "levels": words(op.levels), "midpoints": words(op.midpoints),
            "gain": Constants("int64_t", op.gain), "gain_shift": words(op.gain_shift),
        }  # fmt: skip
    return Kernel(
        "dynamic_threshold",
        {
            "start": place.window.start, "start_factor": place.starts[1], "steps": op.steps,
            "rows": rows, "columns": columns, "sources": place.shapes[1][-1], "spikes": op.spikes,
            "bits": op.state_bits, "squared": int(op.squared), "drive_shift": op.drive_shift,
            "drive_bits": op.drive_bits, "offset": int(op.offset) if op.squared else 0,
            "scales": scales, "table": Constants("uint32_t", op.table), "shift": words(op.shift),
            "trace": None if op.squared else words(op.trace), **further, **latest(op),
        },
        (
            State("int64_t", rows), State("int32_t", rows * columns),
            State("int32_t", rows * columns) if several else None, State("int8_t", rows * columns),
        ),
    )  # fmt: skip


def residual(op: Residual, place: Place) -> Kernel:
    """Kernel of a residual stream, which has one compartment for each operand."""
    mantissas, shifts = op.factors
    biases, bias = fold(op.shape, op.bias)
    folded = [fold(op.shape, branch) for branch in mantissas]
    scales, first = folded[0]
    return Kernel(
        "residual",
        {
            "start": place.window.start, "size": size(op.shape), "branches": len(mantissas), "bits": op.state_bits,
            "scale_count": first.size, "scales": scales, "biases": biases,
            "mantissa": words(np.stack([values for _, values in folded])),
            "shift": words(np.stack([fold(op.shape, branch)[1] for branch in shifts])), "bias": words(bias),
        },
        (State("int32_t", len(mantissas) * size(op.shape)),),
        gathers=True,
    )  # fmt: skip


def centre(op: Centre, place: Place) -> Kernel:
    """Kernel that subtracts the mean along the last axis."""
    return Kernel("centre", {"rows": size(op.shape[:-1]), "columns": op.shape[-1], "bits": op.state_bits})


def readout(op: Readout, place: Place) -> Kernel:
    """Kernel of the readout, which integrates one potential for each output."""
    constants = {"start": place.window.start, "size": size(op.shape), "bits": op.state_bits}
    return Kernel("readout", constants, (State("int32_t", size(op.shape)),))
