"""Traces of products, as fine as calibrated potentials leave room for."""

from __future__ import annotations

import math

import numpy as np

from converters.discretise.state import Discretisation
from converters.scales import scale_of, unit_of
from processes.network import SquareSum, TraceProduct


def product(state: Discretisation, name: str, op: TraceProduct) -> None:
    """One trace for each operand, which begin at the same value."""
    inputs = state.network.nodes[name].inputs
    reach = max(float(state.seen.peaks[name].max()), float(np.abs(op.bias).max(initial=0.0)))
    first = _product_trace(state, name, reach)
    op.traces = np.stack([state.network.code(i).trace_from(first) for i in inputs])
    op.bias = np.rint(op.bias * first**2).astype(np.int32)
    op.delay = state.windows[inputs[1]].start - state.windows[inputs[0]].start
    op.state_bits = state.chip.state_bits
    state.units[name] = unit_of(state.network, name) / first**2


def square_sum(state: Discretisation, name: str, op: SquareSum) -> None:
    """Features whose scales are powers of two apart shift their share."""
    (source,) = state.network.nodes[name].inputs
    scale = scale_of(state.network, source)
    exponents = np.rint(np.log2(scale)).astype(np.int32)
    first = _product_trace(state, name, float(state.seen.peaks[name].max()) / float(scale.max()) ** 2)
    op.shift, op.weight = 2 * (exponents.max() - exponents), None
    op.trace = state.network.code(source).trace_from(first)
    op.state_bits = state.chip.state_bits
    state.units[name] = np.full((1,) * len(op.shape), (scale.max() / first) ** 2)


def _product_trace(state: Discretisation, name: str, reach: float) -> int:
    """First value of the trace of a product whose potential is ``reach`` when it is 1."""
    return state.chip.product_trace_limit(reach * 4.0 ** state.coarser.get(name, 0))


def first_level(state: Discretisation, name: str) -> int:
    """First value of the trace with which the product ``name`` was formed: S sums the very trace that A carries."""
    return round(math.sqrt(float(unit_of(state.network, name).max() / state.units[name].max())))
