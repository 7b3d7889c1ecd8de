"""Discretisation: one pass that turns a calibrated network into integers, after which no float is read.

Every integer potential has a unit, the real value of 1: a number per output row for synapses, one power of two for a
residual stream, (scale / trace maximum)^2 for a product. Weights become mantissas (8 bits on Loihi 2) with one exponent
per row, thresholds integers in their neuron's unit. Exponents are chosen so that nothing saturates on the
calibration set, and the result is checked on it (docs/design.md, Fixed point).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np

from converters.discretise.arriving import Arriving
from converters.discretise.observe import Observed, observe, saturating
from converters.discretise.rounding import round_weights
from converters.discretise.state import Discretisation, FixedPosition
from converters.ingredients import ALL, Ingredients
from processes import verifier
from processes.batches import Progress, joined
from processes.chips import Chip
from processes.errors import DeployError
from processes.integers import Setting, integers
from processes.memory import NODES, give_back
from processes.network import CalibratedNetwork, FixedPointNetwork, Network, require
from processes.operation import Operation
from processes.synapse import Synapse

Known = dict[str, tuple[tuple[bytes, int], np.ndarray, np.ndarray]]
"""By synapse: a digest of its weights and the limit of its integers, the integers, and what to add to the bias."""

ATTEMPTS = 20  # to find exponents with which nothing saturates; each one may halve the resolution of some layers


def discretise(
    network: CalibratedNetwork,
    samples: np.ndarray,
    chip: Chip,
    batch: int = 32,
    progress: Progress | None = None,
    importance: Mapping[str, np.ndarray] = MappingProxyType({}),
    ingredients: Ingredients = ALL,
) -> FixedPointNetwork:
    """Turn a calibrated floating-point network into integers of a chip's widths.

    Args:
        network: from :func:`converters.calibrate.calibrate` or :func:`converters.calibrate.encode`; left as it is.
        samples: calibration inputs (N, *input).
        chip: bit widths.
        batch: samples evaluated together.
        progress: called with (done, in all), which count samples that are observed, nodes that are turned into integers
            and samples that check the result; it starts again where something saturates.
        importance: of rows of synapses, (N, rows), from :func:`converters.evidence.gather`; without it all tokens and
            pixels count the same.
        ingredients: whether weights are rounded together, and rows of synapses have units of their own.

    Raises:
        DeployError: a layer cannot be kept from saturating on the calibration set.
    """
    require(network, CalibratedNetwork, "discretisation")
    arriving = Arriving(network, samples, importance, batch) if ingredients.rounding else None
    again = 0 if arriving is None else max(0, len(arriving.groups) - 1)
    many, nodes = len(samples), len(network.nodes)
    looked, gathered, rounded, judged = joined(progress, many, many * again, nodes, many)
    if arriving is not None:
        arriving.progress = gathered
    seen = observe(network, samples, batch, looked, arriving)
    coarser: dict[str, int] = {}
    known: Known = {}
    worst = 0  # first sample of the batch in which something clipped last; the next attempt is judged there first
    for attempt in range(ATTEMPTS):
        if attempt > 0:
            rounded, judged = joined(progress, nodes, many)
            if arriving is not None:
                arriving.progress = None  # moments that are gathered again are not counted
        fixed = _integers(network, chip, seen, coarser, ingredients, known, rounded)
        if attempt == 0 and gathered is not None:  # groups that nothing asked for count as done
            gathered(many * again, many * again)
        if again and arriving is not None:  # a large model, of which only the last group's moments are held
            arriving.release()
        clipped, worst = saturating(fixed, samples, batch, judged, worst)
        if again:  # a large model, whose operations keep as much in tables as their parameters take
            fixed.release()
        if not clipped:
            return fixed
        for name in clipped:
            coarser[name] = coarser.get(name, 0) + 1
    name = max(coarser, key=coarser.__getitem__)
    raise DeployError(f"'{name}' saturates {chip.state_bits} bits on the calibration set at any exponent tried")


def _integers(
    network: CalibratedNetwork,
    chip: Chip,
    seen: Observed,
    coarser: Mapping[str, int],
    ingredients: Ingredients,
    known: Known,
    progress: Progress | None,
) -> FixedPointNetwork:
    """One pass over the nodes in topological order; the header gains the chip, the precision and the input's unit.

    ``coarser``: by node, bits of resolution to give up, as it saturated before. ``known``: weights rounded in earlier
    passes.
    """
    # two bits of room: inputs may exceed the calibration set's
    input_unit = 2.0 ** (math.ceil(math.log2(seen.input_peak or 1.0)) - (chip.graded_bits - 2))
    state = Discretisation(network, seen, {Network.INPUT: np.full((1,) * len(network.input_shape), input_unit)})
    header = replace(network.header, precision="fixed", chip=chip.name, input_unit=input_unit)
    out = FixedPointNetwork(network.input_shape, header=header)
    for name, node in network:
        rounded = partial(_rounded, name, node.op, seen.arriving if ingredients.rounding else None, known)
        setting = Setting(chip, coarser.get(name, 0), rounded, ingredients.row_units)
        made = integers(node.op, FixedPosition(network, name, state), setting)
        out.add(name, made.op, *node.inputs)
        if made.unit is not None:
            state.units[name] = made.unit
        if made.formed_by is not None:
            state.formed_by[name] = made.formed_by
        if len(out.nodes) % NODES == 0:
            give_back()
        if progress is not None:
            progress(len(out.nodes), len(network.nodes))
    out.units = state.units
    verifier.check(out)
    return out


def _rounded(
    name: str, op: Operation, arriving: Arriving | None, known: Known, weight: np.ndarray, limit: int
) -> tuple[np.ndarray, np.ndarray]:
    """Integers within +-limit for a synapse's weights, and what to add to its bias; from ``known`` if nothing changed.

    ``arriving``: moments by which weights are rounded together; None to round each to nearest.
    """
    assert isinstance(op, Synapse)
    if arriving is None:
        return round_weights(op, weight, limit, None)
    asked = hashlib.blake2b(np.ascontiguousarray(weight).data).digest(), limit
    if name not in known or known[name][0] != asked:
        made, offset = round_weights(op, weight, limit, arriving.at(name))
        known[name] = asked, np.ascontiguousarray(made, np.min_scalar_type(-limit - 1)), offset
    _, whole, offset = known[name]
    return whole, offset
