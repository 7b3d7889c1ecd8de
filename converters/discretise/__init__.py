"""Discretisation: one pass that turns a calibrated network into integers, after which no float is read.

Every potential gets a unit, the real value of 1: per output row a weight's mantissa times a power of two for synapses, one
power of two for a residual stream, (scale / trace maximum)^2 for a product. Weights become 8-bit mantissas with one
exponent per row, thresholds integers in their neuron's unit. Exponents are chosen so that nothing saturates on the
calibration set, and the result is checked on it (docs/design.md, Fixed point).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from converters import sit
from converters.discretise import products, synapses, thresholds
from converters.discretise.observe import observe, saturating
from converters.discretise.state import Discretisation
from converters.ingredients import ALL, Ingredients
from processes import legal
from processes.batches import Progress
from processes.chips import Chip
from processes.errors import DeployError
from processes.fixed import to_mantissa
from processes.network import (
    CalibratedNetwork,
    Centre,
    DynamicThreshold,
    ElementwiseProduct,
    FixedPointNetwork,
    MaxPool,
    Network,
    PhaseNeuron,
    Readout,
    Residual,
    Route,
    SiExp,
    SiNeuron,
    SiNorm,
    SquareSum,
    Synapse,
    TraceProduct,
    Woss,
    require,
)
from processes.operation import Operation
from processes.routing.calibration import routed

ATTEMPTS = 10  # to find exponents with which nothing saturates; each may halve layers' resolution


def discretise(
    network: CalibratedNetwork,
    samples: np.ndarray,
    chip: Chip,
    batch: int = 32,
    progress: Progress | None = None,
    importance: Mapping[str, np.ndarray] = MappingProxyType({}),
    ingredients: Ingredients = ALL,
) -> FixedPointNetwork:
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
    seen = observe(require(network, CalibratedNetwork, "discretisation"), samples, importance, batch, progress)
    coarser: dict[str, int] = {}
    quick = replace(ingredients, rounding=False)  # to find exponents, rounding to nearest will do
    clipped: list[str] = []
    for _ in range(ATTEMPTS):
        searching = bool(clipped)
        fixed = _integers(Discretisation(network, chip, seen, coarser, quick if searching else ingredients))
        clipped = saturating(fixed, samples, batch)
        if not clipped and not searching:
            return fixed
        for name in clipped:
            coarser[name] = coarser.get(name, 0) + 1
    name = max(coarser, key=coarser.__getitem__)
    raise DeployError(f"'{name}' saturates {chip.state_bits} bits on the calibration set at any exponent tried")


def _integers(state: Discretisation) -> FixedPointNetwork:
    """One pass in topological order; ``about`` gains the chip, the precision and the input's unit."""
    network, chip = state.network, state.chip
    # two bits of room: inputs may exceed the calibration set's
    input_unit = 2.0 ** (math.ceil(math.log2(state.seen.input_peak or 1.0)) - (chip.graded_bits - 2))
    state.units[Network.INPUT] = np.full((1,) * len(network.input_shape), input_unit)
    out = FixedPointNetwork(network.input_shape, about=dict(network.about))
    for name, node in network:
        out.add(name, _convert(state, name, node.op), *node.inputs)
    out.units = state.units
    out.about |= {"precision": "fixed", "chip": chip.name, "input_unit": input_unit}
    legal.check(out)
    return out


def _convert(state: Discretisation, name: str, op: Operation) -> Operation:
    """One node's operation in integers; it knows those before it."""
    match op:
        case Route():
            if op.carries != "spikes":
                state.units[name] = routed(op, state.arriving(name))
            return op
        case MaxPool():
            return op
        case Synapse():
            return synapses.synapse(state, name, op)
        case PhaseNeuron():
            return thresholds.phase_neuron(state, name, op)
        case DynamicThreshold():
            return thresholds.dynamic_threshold(state, name, op)
        case Woss():
            return thresholds.race(state, name, op)
        case TraceProduct():
            return products.product(state, name, op)
        case ElementwiseProduct():
            return products.elementwise(state, name, op)
        case SquareSum():
            return products.square_sum(state, name, op)
        case SiExp():
            return sit.integer_exp(op, state.finer(name), state.chip)
        case SiNorm():
            exponential = state.network[state.network.nodes[name].inputs[0]]
            assert isinstance(exponential, SiExp)
            output, _ = sit.integer_output(exponential, state.chip)
            return replace(op, output=output, state_bits=state.chip.state_bits)
        case SiNeuron():
            return sit.integer_neuron(op, state.arriving(name), state.chip)
        case Residual():
            return _residual(state, name, op)
        case Centre():
            state.units[name] = state.arriving(name)
            return replace(op, state_bits=state.chip.state_bits)
        case Readout():
            state.units[name] = state.arriving(name)
            return replace(op, unit=state.arriving(name), state_bits=state.chip.state_bits)
        case _:
            raise DeployError(f"'{name}': operation '{op.name}' has no fixed-point form")


def _residual(state: Discretisation, name: str, op: Residual) -> Residual:
    """One unit for all features, to which the summands are scaled."""
    chip, inputs = state.chip, state.network.nodes[name].inputs
    peak = max(float(state.seen.peaks[n].max()) for n in (name, *inputs) if n in state.seen.peaks)
    # a stream that is never anything but 0, as behind a norm that training starts from a gain of 0, takes any unit
    exponent = math.ceil(math.log2((peak or 1.0) * chip.trace_headroom / chip.state_limit))
    exponent += state.coarser.get(name, 0)
    # a route of a concatenation brings nothing to the others' places, where its unit is 0
    units = [np.where(state.units[source] > 0, state.units[source], 2.0**exponent) for source in inputs]
    shape = np.broadcast_shapes(*(unit.shape for unit in units))
    factors = np.stack([np.broadcast_to(unit, shape) for unit in units]) / 2.0**exponent
    factors = factors if op.weights is None else factors * op.weights
    factors = np.where(np.abs(factors) * chip.state_limit < 1, 0.0, factors)  # what no potential makes 1
    factor = to_mantissa(factors, chip.weight_bits, axis=tuple(range(factors.ndim)))
    state.units[name] = np.full((1,) * len(op.shape), 2.0**exponent)
    return replace(
        op,
        mantissas=factor.mantissa,
        shifts=-factor.exponent,
        bias=np.rint(op.bias / 2.0**exponent).astype(np.int32),
        state_bits=chip.state_bits,
    )
