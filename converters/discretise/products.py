"""Traces of products, as fine as calibrated potentials leave room for."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from converters.discretise.state import Discretisation
from converters.scales import scale_of, unit_of
from processes.elementwise_product import largest
from processes.network import ElementwiseProduct, SquareSum, TraceProduct


def product(state: Discretisation, name: str, op: TraceProduct) -> TraceProduct:
    """One trace for each operand, which begin at the same value."""
    inputs = state.network.nodes[name].inputs
    reach = max(float(state.seen.peaks[name].max()), float(np.abs(op.bias).max(initial=0.0)))
    first = _product_trace(state, name, reach)
    state.units[name] = unit_of(state.network, name) / first**2
    return replace(
        op,
        traces=np.stack([state.network.code(i).trace_from(first) for i in inputs]),
        bias=np.rint(op.bias * first**2).astype(np.int32),
        delay=state.windows[inputs[1]].start - state.windows[inputs[0]].start,
        state_bits=state.chip.state_bits,
    )


def elementwise(state: Discretisation, name: str, op: ElementwiseProduct) -> ElementwiseProduct:
    """Traces that begin at the same value, the largest with which no two values multiply beyond the potential's width."""
    inputs = state.network.nodes[name].inputs
    codes = [state.network.code(operand) for operand in inputs]
    spikes = [state.network.spikes(operand) for operand in inputs]

    def traces(first: int) -> np.ndarray:
        return np.stack([code.trace_from(first) for code in codes])

    def fits(first: int) -> bool:
        return math.prod(largest(t, n) for t, n in zip(traces(first), spikes, strict=True)) <= state.chip.state_limit

    first = state.chip.product_trace_limit(1.0)
    while not fits(first):
        first -= 1
    state.units[name] = unit_of(state.network, name) / first**2
    return replace(op, traces=traces(first), state_bits=state.chip.state_bits)


def square_sum(state: Discretisation, name: str, op: SquareSum) -> SquareSum:
    """Features whose scales are powers of two apart shift their share."""
    (source,) = state.network.nodes[name].inputs
    scale = scale_of(state.network, source)
    exponents = np.rint(np.log2(scale)).astype(np.int32)
    first = _product_trace(state, name, float(state.seen.peaks[name].max()) / float(scale.max()) ** 2)
    state.units[name] = np.full((1,) * len(op.shape), (scale.max() / first) ** 2)
    return replace(
        op,
        trace=state.network.code(source).trace_from(first),
        weight=None,
        shift=2 * (exponents.max() - exponents),
        state_bits=state.chip.state_bits,
    )


def _product_trace(state: Discretisation, name: str, reach: float) -> int:
    """First value of the trace of a product whose potential is ``reach`` when it is 1."""
    return state.chip.product_trace_limit(reach * 4.0 ** state.coarser.get(name, 0))


def first_level(state: Discretisation, name: str) -> int:
    """First value of the trace with which the product ``name`` was formed: S sums the very trace that A carries."""
    return round(math.sqrt(float(unit_of(state.network, name).max() / state.units[name].max())))
