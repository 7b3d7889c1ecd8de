"""Phase neurons in integers: a schedule of integers, times a mantissa and a shift for each neuron."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes.fixed import to_mantissa
from processes.integers import FixedPosition, Integers, Setting, entries, integers
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.activations import fires_at_rest
from processes.phase_neuron.further import further_tables, root_tables
from processes.phase_neuron.schedule import LINEAR, FixedSchedule


@integers.of(PhaseNeuron)
def _(op: PhaseNeuron, at: FixedPosition, setting: Setting) -> Integers:
    """The neuron with a :class:`FixedSchedule`: tables per class of scales, a mantissa and a shift per scale."""
    chip, old, unit = setting.chip, op.schedule, at.operands[0].integer_unit
    shape = np.broadcast_shapes(old.scale.shape, unit.shape)
    scale, unit = (np.ascontiguousarray(np.broadcast_to(a, shape)) for a in (old.scale, unit))
    if old.function in LINEAR:
        classes, index = np.ones(1), np.zeros(shape, np.int32)
        real = scale / unit
    else:
        classes, inverse = np.unique(scale, return_inverse=True)
        index, real = inverse.reshape(shape).astype(np.int32), 1.0 / unit
    pos, lo, hi = root_tables(old.function, classes, old.code)
    prefixes, after = None, None
    if op.spikes > 1 and old.function not in LINEAR:
        prefixes, after = further_tables(old.function, classes, old.code, op.spikes)
    reach = np.stack([pos, lo, hi], 1).reshape(len(classes), -1)
    reach = reach if after is None else np.concatenate([reach, after.reshape(len(classes), -1)], 1)
    entry = 2.0 ** _spare_bits(reach, chip.schedule_bits)  # (classes,)
    tables = [entries(table * entry[:, None]) for table in (pos, lo, hi)]
    if not fires_at_rest(old.function):  # rounding must not let a silent neuron fire
        tables[0], tables[2] = np.maximum(tables[0], 1), np.minimum(tables[2], -1)
    mantissa = to_mantissa(real / entry[index], chip.threshold_bits, axis=tuple(range(len(shape))), signed=False)
    schedule = FixedSchedule(
        function=old.function, scale=scale, base=old.base, steps=old.steps,
        mantissa=mantissa.mantissa, shift=-mantissa.exponent, scale_class=index,
        pos=tables[0], lo=tables[1], hi=tables[2], level=entries(old.code.levels * entry[0]),
        prefixes=prefixes, after=None if after is None else entries(after * entry[:, None, None, None]),
    )  # fmt: skip
    return Integers(replace(op, schedule=schedule, state_bits=chip.state_bits))


def _spare_bits(tables: np.ndarray, bits: int) -> np.ndarray:
    """Fraction bits (classes,) with which each class's largest finite table entry fits ``bits`` unsigned bits."""
    finite = np.where(np.isfinite(tables), np.abs(tables), 0.0)
    return bits - 1 - np.ceil(np.log2(np.maximum(finite.max(1), 2.0**-bits)))
