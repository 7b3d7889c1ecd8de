"""Warnings about runs that finished and may be wrong: no spikes, weights rounded to 0, large fixed-point errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from deploy.nir_writers import conventions
from deploy.schema import Caution, Layer
from processes.fixed import magnitude_lost
from targets.nir_graph.plan import Plan
from targets.nir_run import Discretisation, GraphRun

if TYPE_CHECKING:
    from processes.network import Network

LOST = 0.1
"""Largest share of the magnitude of a node's weights that rounding may set to 0 without a warning."""
APART = 0.1
"""Largest |fixed - float| / |float| of the outputs (L2 norm) without a warning."""


def of_graph(plan: Plan, run: GraphRun, how: Discretisation, graph: Any) -> tuple[Caution, ...]:
    """Warnings about the run of a standard NIR graph: silence, lost weights, and deviation from floating point."""
    found: list[Caution] = []
    if run.traces.spikes and not any(spikes.any() for spikes in run.traces.spikes.values()):
        found.append(_silent_graph(plan, run, how, graph))
    found += lost_weights({r.node: r.lost for r in run.roundings if r.parameter == "weight"}, "--precision float")
    if run.deviation and (worst := max(run.deviation.values())) > APART:
        output = max(run.deviation, key=lambda name: run.deviation[name])
        source = max(run.roundings, key=lambda r: r.error, default=None)
        where = (
            ""
            if source is None
            else f"; {source.parameter} of '{source.node}' is rounded most, by {100 * source.error:.3g} %"
        )
        found.append(
            Caution(
                kind="precision", node=output, number=worst,
                text=f"fixed point puts out {100 * worst:.3g} % other sums than floating point at '{output}'{where}",
                remedy="give --calib data like the input, another --scale or --dt, or run with --precision float",
            )
        )  # fmt: skip
    return tuple(found)


def _silent_graph(plan: Plan, run: GraphRun, how: Discretisation, graph: Any) -> Caution:
    """Warn that nothing spiked: name the first population, its peak potential beside its threshold, and a better dt."""
    name = next(name for name in plan.items if name in run.traces.spikes)
    node: Any = plan.items[name].node
    threshold = float(np.min(getattr(node, "v_threshold", getattr(node, "threshold", 1.0))))
    peak = run.traces.peaks.get(name, 0.0)
    share = peak / threshold if threshold > 0 else 0.0
    _, suggested = conventions(graph, {name: item.node for name, item in plan.items.items()})
    if suggested is not None and not np.isclose(suggested, how.dt, rtol=0.05):
        remedy = f"the file's numbers suggest --dt {suggested:g}; `deploy check FILE.nir` says why"
    else:
        remedy = "give another --dt, or larger inputs; `deploy check FILE.nir` says what the file leaves open"
    text = (
        f"no spike at all: the potential of '{name}' reaches {peak:.3g}, {100 * share:.3g} % of its threshold {threshold:.3g}, "
        f"at dt = {how.dt:g}"
    )
    return Caution(kind="silent", node=name, number=share, text=text, remedy=remedy)


def silent_network(spikes: float, layers: Iterable[str]) -> tuple[Caution, ...]:
    """Warn if a converted network fires no spikes; ``layers``: names of the layers that can fire, in order."""
    name = next(iter(layers), None)
    if spikes > 0 or name is None:
        return ()
    text = f"no spike at all: '{name}', the first layer that could, stays silent"
    remedy = "give data in the range of the calibration data: raw pixels, the same preprocessing"
    return (Caution(kind="silent", node=name, number=0.0, text=text, remedy=remedy),)


def lost_weights(shares: Mapping[str, float], other: str) -> list[Caution]:
    """Warn of nodes that lost a share above ``LOST`` of their weights, worst first; option ``other`` avoids it."""
    return [
        Caution(
            kind="weights", node=name, number=share,
            text=f"rounding to 0 takes {100 * share:.3g} % of the weights of '{name}', by magnitude: a few are far larger",
            remedy=f"clip or rescale its largest weights before, or take {other}",
        )
        for name, share in sorted(shares.items(), key=lambda pair: -pair[1])
        if share > LOST
    ]  # fmt: skip


def shares_lost(floating: Network, fixed: Network) -> dict[str, float]:
    """By synapse, the share of weight magnitude that is 0 in integers (:func:`processes.fixed.magnitude_lost`)."""
    from processes.network import Synapse

    found: dict[str, float] = {}
    for name, node in floating:
        op, rounded = node.op, fixed[name] if name in fixed.nodes else None
        if isinstance(op, Synapse) and isinstance(rounded, Synapse):
            found[name] = magnitude_lost(op.weight, rounded.weight)
    return found


def far_from_float(apart: float | None, layers: Iterable[Layer]) -> tuple[Caution, ...]:
    """Warn if ``apart``, the relative L2 error of fixed-point outputs on calibration samples, exceeds ``APART``."""
    if apart is None or apart <= APART:
        return ()
    gains = {layer.name: _gain(layer.errors) for layer in layers if len(layer.errors) > 1}
    worst = max(gains, key=lambda name: gains[name], default="readout")
    text = (
        f"fixed point puts out other values than floating point on calibration samples: {100 * apart:.3g} % apart "
        f"(L2 norm); the error grows most at '{worst}'"
    )
    remedy = "take --precision float, more --calib data, or more --timesteps"
    return (Caution(kind="precision", node=worst, number=apart, text=text, remedy=remedy),)


def _gain(errors: Mapping[str, float]) -> float:
    """A layer's relative error in fixed point minus its error in floating point."""
    return errors.get("spiking fixed", 0.0) - errors.get("spiking float", 0.0)
