"""Discretisation: one pass that turns a calibrated network into integers, after which no float is read.

Every potential gets a unit, the real value of 1: a power of two per output row for synapses, one power of two for a
residual stream, (scale / trace maximum)^2 for a product. Weights become 8-bit mantissas with one exponent per row,
thresholds integers in their neuron's unit. Exponents are chosen so that nothing saturates on the calibration set, and
the result is checked on it (DESIGN section 5).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from converters import sit
from converters.discretise.observe import Observed, observe, saturating
from converters.discretise.rounding import round_weights
from converters.ingredients import ALL, Ingredients
from converters.scales import routed, scale_of, unit_of
from processes.chips import Chip
from processes.errors import DeployError
from processes.fixed import mantissa_limit, to_mantissa
from processes.network import (
    Centre,
    ConvSynapse,
    DenseSynapse,
    DynamicThreshold,
    Network,
    PhaseNeuron,
    Readout,
    Residual,
    Route,
    ScaleSynapse,
    SiExp,
    SiNeuron,
    SiNorm,
    SquareSum,
    Synapse,
    TraceProduct,
    Woss,
)
from processes.operation import Operation, Window
from processes.phase_neuron.schedule import (
    ALWAYS,
    AT_REST_ABOVE_ZERO,
    LINEAR,
    NEVER,
    FixedSchedule,
)
from processes.phase_neuron.sequel import real_sequel, root_tables
from targets.timeline import timeline

Progress = Callable[[int, int], None]
COMPARED_BITS = 62  # of a normaliser's drive shifted left, so that (drive + 1) << shift stays inside 64 bits
LEVEL_BITS = 20  # of a level where (A +- m_k)^2 times a gain of threshold_bits stays inside 64 bits
ATTEMPTS = 8  # halvings of a layer's resolution before giving up on its range


def discretise(
    network: Network,
    samples: np.ndarray,
    chip: Chip,
    batch: int = 32,
    progress: Progress | None = None,
    importance: Mapping[str, np.ndarray] = MappingProxyType({}),
    ingredients: Ingredients = ALL,
) -> Network:
    """The integer network of a calibrated floating-point one.

    Args:
        network: from :func:`converters.calibrate.calibrate`; left as it is.
        samples: calibration inputs (N, *input).
        chip: bit widths.
        batch: samples evaluated together.
        progress: called with (samples done, samples in all).
        importance: from :func:`converters.gradients.row_importance`; without it all tokens and pixels count the same.

    Raises:
        DeployError: a layer cannot be kept from saturating on the calibration set.
    """
    seen = observe(network, samples, importance, batch, progress)
    coarser: dict[str, int] = {}
    clipped: list[str] = []
    for _ in range(ATTEMPTS):
        fixed = Discretiser(network, chip, seen, coarser, ingredients).run()
        clipped = saturating(fixed, samples, batch)
        if not clipped:
            return fixed
        for name in clipped:
            coarser[name] = coarser.get(name, 0) + 1
    raise DeployError(f"'{clipped[0]}' saturates {chip.state_bits} bits on the calibration set at any exponent tried")


@dataclass
class Discretiser:
    """One pass in topological order.

    Attributes:
        network: the calibrated network.
        seen: from :func:`converters.discretise.observe.observe`.
        coarser: bits of resolution to give up, by node.
        ingredients: how weights are rounded, and what potentials are in units of.
        units: real value of one unit of each potential, broadcast shape, filled as the pass goes on.
    """

    network: Network
    chip: Chip
    seen: Observed
    coarser: dict[str, int]
    ingredients: Ingredients
    units: dict[str, np.ndarray] = field(default_factory=dict)

    def run(self) -> Network:
        """The integer network; ``about`` gains the chip, the precision and the input's unit."""
        # two bits of room: inputs may exceed the calibration set's
        input_unit = 2.0 ** (math.ceil(math.log2(self.seen.input_peak or 1.0)) - (self.chip.graded_bits - 2))
        self.units[Network.INPUT] = np.full((1,) * len(self.network.input_shape), input_unit)
        out = Network(self.network.input_shape, about=dict(self.network.about))
        for name, node in self.network:
            op = replace(node.op)  # not a copy, which would bring cached tables along
            self._convert(name, op, node.inputs)
            out.add(name, op, *node.inputs)
        out.units = self.units
        out.about |= {"precision": "fixed", "chip": self.chip.name, "input_unit": input_unit}
        return out

    def _convert(self, name: str, op: Operation, inputs: tuple[str, ...]) -> None:
        match op:
            case Route():
                if op.carries != "spikes":
                    self.units[name] = routed(op, self.units[inputs[0]])
            case Synapse():
                self._synapse(name, op)
            case PhaseNeuron():
                self._phase_neuron(op, self.units[inputs[0]])
            case TraceProduct():
                self._product(name, op, inputs)
            case SquareSum():
                self._square_sum(name, op, inputs)
            case Woss():
                unit = self.units[inputs[0]]
                # by how much a unit shrank: units of floating point are the product's own
                finer = unit_of(self.network, inputs[0]).reshape(-1, 1) / unit.reshape(-1, 1)
                op.ramp = np.minimum(np.rint(op.ramp * finer), NEVER).astype(np.int32)
                op.race = None if op.race is None else _entries(op.race * finer)
                op.after = None if op.after is None else _entries(op.after * finer[..., None, None])
                op.state_bits = self.chip.state_bits
            case SiExp():
                finer = unit_of(self.network, inputs[0]).reshape(-1, 1) / self.units[inputs[0]].reshape(-1, 1)
                sit.integer_exp(op, finer, self.chip)
            case SiNorm():
                exponential = self.network[inputs[0]]
                assert isinstance(exponential, SiExp)
                op.output, op.state_bits = sit.integer_output(exponential, self.chip)[0], self.chip.state_bits
            case SiNeuron():
                sit.integer_neuron(op, self.units[inputs[0]], self.chip)
            case DynamicThreshold():
                self._dynamic_threshold(name, op, inputs)
            case Residual():
                self._residual(name, op, inputs)
            case Centre():
                self.units[name] = self.units[inputs[0]]
                op.state_bits = self.chip.state_bits
            case Readout():
                op.unit, op.state_bits = self.units[inputs[0]], self.chip.state_bits
                self.units[name] = op.unit
            case _:
                raise DeployError(f"'{name}': operation '{op.name}' has no fixed-point form")

    def _synapse(self, name: str, op: Synapse) -> None:
        chip, code = self.chip, self.network.code(self.network.nodes[name].inputs[0])
        rows = tuple(range(op.weight.ndim)) if isinstance(op, ScaleSynapse) else 0
        reach = self.seen.peaks[name] if rows else self.seen.peaks[name].reshape(-1)
        for bits in (chip.trace_bits, chip.reduced_trace_bits):
            limit = 2.0**chip.state_bits / 2 / chip.trace_headroom
            own = self._row_unit(name, op, bits) if rows == 0 else np.ones(())
            bias = np.broadcast_to(op.bias, np.broadcast_shapes(op.bias.shape, _row_shape(op))) / own
            peak = reach / own
            # potential = sum mantissa * trace, so its unit is the exponent of weight / (trace maximum)
            weight = op.weight / own.reshape(_column(own, op.weight)) / (2**bits - 1)
            exponent = to_mantissa(weight, chip.weight_bits, axis=rows).exponent.reshape(_row_shape(op))
            largest = np.maximum(_reduce_to(peak, exponent.shape), _reduce_to(np.abs(bias), exponent.shape))
            fits = (largest <= limit * 2.0**exponent).all() and not self.coarser.get(name)
            if fits and self._never_clips(name, op, weight / 2.0 ** exponent.reshape(_column(exponent, weight)), bits):
                break
        # what the narrower trace cannot absorb, a row's coarser exponent does
        with np.errstate(divide="ignore"):
            needed = np.where(largest > 0, np.ceil(np.log2(largest / limit)), -np.inf)
        exponent = np.maximum(exponent, needed).astype(np.int32) + max(0, self.coarser.get(name, 0) - 1)
        unit = 2.0**exponent
        limit = mantissa_limit(chip.weight_bits)
        seen = self.seen.at(name, op) if self.ingredients.rounding else None
        rounded, offset = round_weights(op, weight / unit.reshape(_column(unit, weight)), limit, seen)
        op.weight = rounded.astype(np.int8)
        op.bias = np.rint(bias / unit + offset * (2**bits - 1)).astype(np.int32)
        op.trace, op.unit, op.state_bits = code.trace(bits), unit * own, chip.state_bits
        shape = [1] * len(op.shape)
        if rows == 0:
            shape[1 if isinstance(op, ConvSynapse) else -1] = len(op.weight)
        self.units[name] = op.unit.reshape(shape) if rows == 0 else op.unit

    def _never_clips(self, name: str, op: Synapse, mantissa: np.ndarray, bits: int) -> bool:
        """Whether ||w|| ||x|| proves it for inputs like the calibration set's; other layers are judged by their reach."""
        if not isinstance(op, DenseSynapse):
            return True
        source = self.network.nodes[name].inputs[0]
        reach = np.linalg.norm(mantissa, axis=1).max() * float(self.seen.norms[source]) * (2**bits - 1)
        return bool(reach <= self.chip.state_limit)

    def _row_unit(self, name: str, op: Synapse, bits: int) -> np.ndarray:
        """Units of potentials over powers of two, in (1/2, 1], (out,): thresholds take any unit, a residual stream does not.

        Where neurons with one spike read, the unit goes with their scale, so that their thresholds are powers of two apart;
        where they have more, and so know their potentials better than 8 bits do, a row's largest weight is the largest
        mantissa.
        """
        readers = self.network.readers(name)
        reader = self.network[readers[0]] if len(readers) == 1 and self.ingredients.row_units else None
        unit = np.ones(len(op.weight))
        if isinstance(reader, PhaseNeuron) and reader.spikes > 1:
            largest = np.abs(op.weight).reshape(len(unit), -1).max(1)
            unit = np.where(largest > 0, largest / mantissa_limit(self.chip.weight_bits) / (2**bits - 1), 1.0)
        elif isinstance(reader, PhaseNeuron) and reader.schedule.function in LINEAR:
            unit = np.broadcast_to(reader.scale.reshape(-1), len(unit))
        return unit / 2.0 ** np.ceil(np.log2(unit))

    def _phase_neuron(self, op: PhaseNeuron, unit: np.ndarray) -> None:
        chip, old = self.chip, op.schedule
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
            prefixes, after = real_sequel(old.function, classes, old.code, op.spikes)
        reach = np.stack([pos, lo, hi], 1).reshape(len(classes), -1)
        reach = reach if after is None else np.concatenate([reach, after.reshape(len(classes), -1)], 1)
        entry = 2.0 ** _spare_bits(reach, chip.schedule_bits)  # (classes,)
        tables = [_entries(table * entry[:, None]) for table in (pos, lo, hi)]
        if old.function not in AT_REST_ABOVE_ZERO:  # rounding must not let a silent neuron fire
            tables[0], tables[2] = np.maximum(tables[0], 1), np.minimum(tables[2], -1)
        mantissa = to_mantissa(real / entry[index], chip.threshold_bits, axis=tuple(range(len(shape))), signed=False)
        op.schedule = FixedSchedule(
            function=old.function, scale=scale, base=old.base, steps=old.steps,
            mantissa=mantissa.mantissa, shift=-mantissa.exponent, scale_class=index,
            pos=tables[0], lo=tables[1], hi=tables[2], level=_entries(old.code.levels * entry[0]),
            prefixes=prefixes, after=None if after is None else _entries(after * entry[:, None, None, None]),
        )  # fmt: skip
        op.state_bits = chip.state_bits

    def _product(self, name: str, op: TraceProduct, inputs: tuple[str, ...]) -> None:
        reach = max(float(self.seen.peaks[name].max()), float(np.abs(op.bias).max(initial=0.0)))
        first = self._product_trace(name, reach)
        op.traces = np.stack([self.network.code(i).trace_from(first) for i in inputs])
        op.bias = np.rint(op.bias * first**2).astype(np.int32)
        op.delay = self.windows[inputs[1]].start - self.windows[inputs[0]].start
        op.state_bits = self.chip.state_bits
        self.units[name] = unit_of(self.network, name) / first**2

    def _product_trace(self, name: str, reach: float) -> int:
        """First value of the trace of a product whose potential is ``reach`` when it is 1."""
        return self.chip.product_trace_limit(reach * 4.0 ** self.coarser.get(name, 0))

    @cached_property
    def windows(self) -> dict[str, Window]:
        """When each node emits."""
        return timeline(self.network).windows

    def _square_sum(self, name: str, op: SquareSum, inputs: tuple[str, ...]) -> None:
        scale = scale_of(self.network, inputs[0])
        exponents = np.rint(np.log2(scale)).astype(np.int32)
        first = self._product_trace(name, float(self.seen.peaks[name].max()) / float(scale.max()) ** 2)
        op.shift, op.weight = 2 * (exponents.max() - exponents), None
        op.trace = self.network.code(inputs[0]).trace_from(first)
        op.state_bits = self.chip.state_bits
        self.units[name] = np.full((1,) * len(op.shape), (scale.max() / first) ** 2)

    def _dynamic_threshold(self, name: str, op: DynamicThreshold, inputs: tuple[str, ...]) -> None:
        chip, unit = self.chip, self.units[inputs[0]]
        theta = op.scale.reshape(-1, 1) * op.code.midpoints
        if op.squared:
            factor_unit = float(self.units[inputs[1]].max())
            peak = float(self.seen.peaks[inputs[0]].max()) / float(unit.max())
            op.drive_bits = chip.norm_drive_bits
            op.drive_shift = max(0, math.ceil(math.log2(max(peak, 1.0) / 2 ** (chip.norm_drive_bits - 1))))
            op.drive_shift += self.coarser.get(name, 0)
            drive_unit = float(unit.max()) * 2**op.drive_shift
            real = theta**2 * factor_unit / (op.features * drive_unit**2)
            op.offset, op.low = float(max(1, round(op.offset / factor_unit))), float(round(op.low / factor_unit))
        else:
            product = self.network[inputs[0]]
            # weights that are divided before any product come through a synapse, whose trace is as fine
            formed = isinstance(product, TraceProduct)
            first = self._first(inputs[0]) if formed else 2**chip.reduced_trace_bits - 1
            op.trace = self.network.code(inputs[1]).trace_from(first)
            real = theta / np.broadcast_to(unit, op.scale.shape).reshape(-1, 1) / first
        # as many fraction bits as keep a neuron's largest entry within the cut
        drive_bits = 2 * (chip.norm_drive_bits - 1) if op.squared else chip.state_bits
        most = COMPARED_BITS - drive_bits
        shift = np.clip(chip.norm_cut_bits - np.ceil(np.log2(real[:, 0])), 0, most).astype(np.int64)
        op.table = np.rint(np.minimum(real * 2.0 ** shift[:, None], 2.0**chip.norm_cut_bits - 1)).astype(np.int64)
        op.shift, op.state_bits = shift, chip.state_bits
        if op.spikes > 1:
            power = 2 if op.squared else 1
            numbers = (op.code.levels, op.code.midpoints)
            op.levels, op.midpoints = (np.rint(2.0**LEVEL_BITS * x).astype(np.int64) for x in numbers)
            gain = real[:, 0] / op.code.midpoints[0] ** power * 2.0 ** (shift - LEVEL_BITS * power)
            bits = np.clip(chip.threshold_bits - np.ceil(np.log2(gain)), 0, 62)
            op.gain = np.rint(np.minimum(gain * 2.0**bits, 2.0**chip.threshold_bits - 1)).astype(np.int64)
            op.gain_shift = bits.astype(np.int64)

    def _first(self, name: str) -> int:
        """First value of the trace with which the product ``name`` was formed: S sums the very trace that A carries."""
        return round(math.sqrt(float(unit_of(self.network, name).max() / self.units[name].max())))

    def _residual(self, name: str, op: Residual, inputs: tuple[str, ...]) -> None:
        chip = self.chip
        peak = max(float(self.seen.peaks[n].max()) for n in (name, *inputs) if n in self.seen.peaks)
        exponent = math.ceil(math.log2(max(peak, 1e-30) * chip.trace_headroom / chip.state_limit))
        exponent += self.coarser.get(name, 0)
        # a route of a concatenation brings nothing to the others' places, where its unit is 0
        units = [np.where(self.units[source] > 0, self.units[source], 2.0**exponent) for source in inputs]
        shifts = [exponent - np.rint(np.log2(unit)).astype(np.int32) for unit in units]
        shape = np.broadcast_shapes(*(s.shape for s in shifts))
        op.shifts = np.stack([np.broadcast_to(s, shape) for s in shifts])
        op.bias = np.rint(op.bias / 2.0**exponent).astype(np.int32)
        op.state_bits = chip.state_bits
        self.units[name] = np.full((1,) * len(op.shape), 2.0**exponent)


def _column(rows: np.ndarray, weight: np.ndarray) -> tuple[int, ...]:
    """Shape in which per-row values broadcast over weights."""
    return rows.shape + (1,) * (weight.ndim - rows.ndim)


def _row_shape(op: Synapse) -> tuple[int, ...]:
    return op.weight.shape if isinstance(op, ScaleSynapse) else (len(op.weight),)


def _reduce_to(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Largest value over the axes that ``shape`` has with length 1."""
    axes = tuple(a for a, size in enumerate(shape) if size == 1)
    return np.broadcast_to(values.max(axes, keepdims=True) if values.ndim == len(shape) else values.max(), shape)


def _spare_bits(tables: np.ndarray, bits: int) -> np.ndarray:
    """Fraction bits with which the largest finite entry of each class fits ``bits`` unsigned bits."""
    finite = np.where(np.isfinite(tables), np.abs(tables), 0.0)
    return bits - 1 - np.ceil(np.log2(np.maximum(finite.max(1), 2.0**-bits)))


def _entries(table: np.ndarray) -> np.ndarray:
    """Rounded entries; +inf is never reached and -inf always."""
    rounded = np.rint(np.clip(table, ALWAYS + 1, NEVER - 1))
    return np.where(table == np.inf, NEVER, np.where(table == -np.inf, ALWAYS, rounded)).astype(np.int32)
