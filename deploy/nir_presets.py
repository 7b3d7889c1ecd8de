"""Presets for `deploy run --from`: the time step, reset and recurrence of each framework, which NIR leaves open.

A preset changes the parameters of a file's neurons so that the recurrence of :mod:`processes.nir_nodes.neurons` (by
Euler's method, for sinabs by the exact solution) is the framework's own, taken from its public source. Neurons that
have no such parameters are refused.

* snnTorch (snntorch.Leaky, Synaptic, export_to_nir): v <- beta v + x - theta if v was above theta before: the reset comes a
  step late and is not decayed. dt = 1e-4. The file does not tell resets to zero, nor ``reset_delay=False``.
* Norse (LIFBoxCell, LIBoxCell, IAFCell, to_nir): v <- v + dt/tau (v_leak - v + x), v <- v + x of IAF; then v <- v_reset. Its
  exporter writes tau in seconds times its time step of 1e-3. LIFCell integrates the potential before the current.
* sinabs (LIF, IAF, ExpLeak, to_nir): v <- a v + (1 - a) x, a = exp(-1/tau), tau in steps, the gain as with its default
  ``norm_input=True``; v <- v + x of IAF; spikes from v = theta on, resets take theta off.
* SpikingJelly (LIFNode, IFNode, export_to_nir): v <- v + (x - v)/tau or v <- v - v/tau + x, told apart by r; dt = 1e-4;
  spikes from v = theta on, then v <- v_reset. The file writes a soft reset as v_reset = 0.
* Rockpool (LIFTorch, ExpSynTorch, to_nir): i <- a (i + x), v <- b v + i, a and b = exp(-dt/tau), dt told by
  r = tau exp(-dt/tau) / dt; spikes from v = theta on, resets take theta off.

sinabs and Rockpool send several spikes in a step where the potential reaches several thresholds; here a neuron sends
one a step, and the rest stays in its potential.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import nir
import numpy as np
import scipy.special

from deploy.errors import DeployError
from deploy.nir_writers import writer
from deploy.options.checks import check_choice
from deploy.options.graph import Framework
from processes.errors import Refusal, UnsupportedGraph
from processes.nir_nodes.neurons import Method, Reset

FRAMEWORKS = get_args(Framework)
SNNTORCH_DT, NORSE_DT, SPIKINGJELLY_DT = 1e-4, 1e-3, 1e-4  # seconds
SEVERAL = "it may send several spikes in a step, of which here the first is sent and the rest of the potential stays"


@dataclass(frozen=True)
class Preset:
    """How a framework's file is stepped; ``dt``: in the unit of its time constants; ``open``: what it leaves open."""

    dt: float
    reset: Reset
    open: str
    method: Method = "euler"


def recognised(graph: nir.NIRGraph, nodes: Mapping[str, nir.NIRNode]) -> str | None:
    """The framework that seems to have written the file, by its ``--from`` name; None if none does."""
    if "format" in graph.metadata or "pulses" in graph.metadata:
        return None
    name = writer(graph, nodes).partition(",")[0].lower()
    return name if name in FRAMEWORKS else None


def apply(framework: str, graph: nir.NIRGraph) -> tuple[nir.NIRGraph, Preset]:
    """Change a graph's neurons so that they step as in ``framework``; return the changed copy and the preset.

    Raises:
        UnsupportedGraph: neurons whose steps in the framework cannot be expressed here; the error lists all of them.
        DeployError: the framework is unknown, or a Rockpool file's neurons imply different time steps.
    """
    check_choice("--from", framework, FRAMEWORKS)
    preset, change = _PRESETS[framework](_neurons(graph))
    refusals: list[Refusal] = []
    out = _changed(graph, change, "", refusals)
    if refusals:
        raise UnsupportedGraph(refusals)
    return out, preset


Change = Callable[[Any], Any]
"""Maps a neuron to one of the same type with changed parameters; raises DeployError for neurons it does not know."""


def _changed(graph: nir.NIRGraph, change: Change, prefix: str, refusals: list[Refusal]) -> nir.NIRGraph:
    nodes: dict[str, nir.NIRNode] = {}
    for name, node in graph.nodes.items():
        if isinstance(node, nir.NIRGraph):
            nodes[name] = _changed(node, change, f"{prefix}{name}.", refusals)
        elif hasattr(node, "r"):
            try:
                nodes[name] = change(node)
            except DeployError as error:
                refusals.append(Refusal(f"{prefix}{name}", type(node).__name__, str(error)))
        else:
            nodes[name] = node
    return nir.NIRGraph(nodes, list(graph.edges), metadata=graph.metadata, type_check=False)


def _neurons(graph: nir.NIRGraph) -> list[Any]:
    found: list[Any] = []
    for node in graph.nodes.values():
        found += _neurons(node) if isinstance(node, nir.NIRGraph) else [node] if hasattr(node, "r") else []
    return found


def _from_threshold_on(node: Any, **changes: Any) -> Any:
    """A copy that fires at v >= theta: here v > threshold fires, so threshold is the largest float64 below theta."""
    if hasattr(node, "v_threshold"):
        changes["v_threshold"] = np.nextafter(np.asarray(node.v_threshold, np.float64), -np.inf)
    return replace(node, **changes)


def _only(node: Any, kinds: tuple[type, ...], framework: str) -> None:
    if not isinstance(node, kinds):
        raise DeployError(f"{framework}'s exporter writes no such neuron; leave --from out")


def _snntorch(neurons: list[Any]) -> tuple[Preset, Change]:
    def change(node: Any) -> Any:
        _only(node, (nir.LIF, nir.CubaLIF), "snnTorch")
        return node

    what = (
        "resets to zero, which need --reset v_reset, nor reset_delay=False, which needs --reset subtract and is that while no "
        "potential reaches two thresholds"
    )
    return Preset(SNNTORCH_DT, "delayed", what), change


def _norse(neurons: list[Any]) -> tuple[Preset, Change]:
    taus = [float(np.min(node.tau)) for node in neurons if hasattr(node, "tau")]
    # Norse's exporter multiplies tau by its step of 1e-3 s: a tau below one step, else unstable, has that factor.
    dt = NORSE_DT**2 if taus and min(taus) < NORSE_DT else NORSE_DT

    def change(node: Any) -> Any:
        if isinstance(node, nir.CubaLIF):
            raise DeployError(
                "LIFCell integrates the potential before the current, which has no form here; use LIFBoxCell"
            )
        _only(node, (nir.LIF, nir.LI, nir.IF), "Norse")
        return replace(node, r=np.asarray(node.r, np.float64) / dt) if isinstance(node, nir.IF) else node

    return Preset(dt, "v_reset", "reset_method, of which the default is taken"), change


def _sinabs(neurons: list[Any]) -> tuple[Preset, Change]:
    def change(node: Any) -> Any:
        _only(node, (nir.LIF, nir.LI, nir.IF), "sinabs")
        return _from_threshold_on(node)

    return Preset(1.0, "subtract", f"norm_input, taken as True, and a smallest potential; {SEVERAL}", "exact"), change


def _spikingjelly(neurons: list[Any]) -> tuple[Preset, Change]:
    def change(node: Any) -> Any:
        _only(node, (nir.LIF, nir.IF), "SpikingJelly")
        return _from_threshold_on(node)

    return Preset(SPIKINGJELLY_DT, "v_reset", "soft resets (v_reset=None) need --reset subtract"), change


def _rockpool(neurons: list[Any]) -> tuple[Preset, Change]:
    steps = [_rockpool_dt(node) for node in neurons]
    if steps and not np.allclose(steps, steps[0], rtol=1e-3):
        raise DeployError(
            "--from rockpool: r of its neurons tells different time steps; leave --from out and give --dt"
        )
    dt = steps[0] if steps else 1e-3

    def change(node: Any) -> Any:
        _only(node, (nir.CubaLIF, nir.LI), "Rockpool")
        if isinstance(node, nir.LI):
            kept = np.exp(-dt / np.asarray(node.tau, np.float64))
            return replace(node, tau=dt / (1 - kept), r=kept / (1 - kept))
        b, a = (np.exp(-dt / np.asarray(tau, np.float64)) for tau in (node.tau_mem, node.tau_syn))
        return _from_threshold_on(
            node, tau_mem=dt / (1 - b), tau_syn=dt / (1 - a), r=1 / (1 - b) * np.ones_like(b), w_in=a / (1 - a)
        )

    return Preset(dt, "subtract", SEVERAL), change


def _rockpool_dt(node: Any) -> float:
    """Solve r = tau exp(-dt/tau) / dt for dt: with u = dt/tau, u e^u = 1/r, so that u is Lambert's W of 1/r."""
    tau = np.asarray(getattr(node, "tau", getattr(node, "tau_mem", 1.0)), np.float64)
    r = np.asarray(node.r, np.float64)
    if not (np.isfinite(r).all() and (r > 0).all()):
        raise DeployError(
            "--from rockpool: r has to be above 0, as its exporter writes it; leave --from out and give --dt"
        )
    return float(np.median(tau * scipy.special.lambertw(1 / r).real))


_PRESETS: dict[str, Callable[[list[Any]], tuple[Preset, Change]]] = {
    "snntorch": _snntorch, "norse": _norse, "sinabs": _sinabs, "spikingjelly": _spikingjelly, "rockpool": _rockpool,
}  # fmt: skip
