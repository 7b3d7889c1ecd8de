"""Guesses which tool wrote a NIR file, and what its numbers say about the conventions that NIR leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import nir
import numpy as np

from targets.trained.mark import is_whole

SNNTORCH_DT = 1e-4
"""Seconds: the time step that snnTorch's exporter assumes."""


STEPS = (1e-4, 1e-3)
"""Seconds: the time steps that simulators usually assume."""


@dataclass(frozen=True)
class Convention:
    """A question that NIR leaves open, what the file says about it, and the option that answers it."""

    question: str
    found: str
    option: str


def writer(graph: nir.NIRGraph, nodes: Mapping[str, nir.NIRNode]) -> str:
    """The tool that seems to have written the graph and how it is recognised; ``nodes``: of the flattened graph."""
    if is_whole(graph):
        return "this package: a trained spiking network, whole"
    if "format" in graph.metadata:
        return "this package: a converted network with operations of its own"
    if "pulses" in graph.metadata:
        return "this package: `deploy export --plain`"
    neurons = [node for node in nodes.values() if hasattr(node, "r")]
    leaky = [node for node in neurons if hasattr(node, "tau") or hasattr(node, "tau_mem")]
    taus = [np.asarray(getattr(node, "tau", getattr(node, "tau_mem", 0.0)), np.float64) for node in leaky]
    unit = all(np.allclose(cast(Any, node).r, 1) for node in neurons)
    names = " ".join(nodes)
    if any(word in names for word in ("LinearTorch", "LIFTorch", "ExpSynTorch")):
        return "Rockpool, by names of nodes that end as its modules do"
    if leaky and all(
        np.allclose(cast(Any, n).r, tau / SNNTORCH_DT, rtol=1e-3) for n, tau in zip(leaky, taus, strict=True)
    ):
        return "snnTorch, by r = tau / 1e-4"
    outputs = [node.output_type["output"] for node in nodes.values() if isinstance(node, nir.Output)]
    if any(shape is not None and np.size(shape) == 3 and np.asarray(shape)[0] == 1 for shape in outputs) and leaky:
        return "Rockpool, by an Output with batch and time axes"
    if taus and unit and min(tau.min() for tau in taus) >= 1:
        return "sinabs, by r = 1 and time constants in steps"
    if neurons and unit and not leaky and all(name.isdigit() or name in ("input", "output") for name in nodes):
        return "sinabs, by IF neurons with r = 1 and numbered nodes"
    if taus and unit:
        return "Norse, by r = 1 and time constants below a second"
    return "unknown: nothing that is known of an exporter fits"


def conventions(graph: nir.NIRGraph, nodes: Mapping[str, nir.NIRNode]) -> tuple[list[Convention], float | None]:
    """The conventions that NIR leaves open in this graph, and the time step that its numbers suggest, or None."""
    dt, why = _suggested_dt(graph, nodes)
    rows = [Convention("time step dt", why, "--dt" if dt is None else f"--dt {dt:g}")]
    resets = [node for node in nodes.values() if hasattr(node, "v_reset")]
    if resets:
        said = _text(graph, "reset")
        zero = all(not np.any(cast(Any, node).v_reset) for node in resets)
        found = f"the file says {said}" if said else "v_reset = 0" if zero else "v_reset differs from 0"
        note = "" if said else "; by default sinabs, Rockpool and snnTorch train with resets that subtract"
        rows.append(Convention("reset", found + note, "--reset v_reset|subtract|delayed"))
    gains = {name: _gain(node, dt or SNNTORCH_DT) for name, node in nodes.items() if hasattr(node, "r")}
    if gains:
        low, high = min(gains.values()), max(gains.values())
        span = f"{low:.3g}" if np.isclose(low, high) else f"{low:.3g} to {high:.3g}"
        meaning = "inputs act as they are" if np.isclose(low, 1, rtol=1e-2) and np.isclose(high, 1, rtol=1e-2) else (
            "inputs are scaled by it, or the writer ignores r"
        )  # fmt: skip
        rows.append(
            Convention("r against tau", f"r dt / tau = {span} at dt = {dt or SNNTORCH_DT:g}: {meaning}", "--dt")
        )
    return rows, dt


def _suggested_dt(graph: nir.NIRGraph, nodes: Mapping[str, nir.NIRNode]) -> tuple[float | None, str]:
    """The time step that the metadata states or that r and tau suggest, or None; and the reason, in words."""
    said = np.asarray(graph.metadata.get("dt", 0.0))
    if said.size == 1 and said.dtype.kind in "iuf" and said > 0:
        return float(said.item()), "the file says"
    neurons = [cast(Any, node) for node in nodes.values() if hasattr(node, "r")]
    fields = ("tau", "tau_mem", "tau_syn")
    taus = [np.asarray(getattr(node, f), np.float64) for node in neurons for f in fields if hasattr(node, f)]
    if not neurons:
        return None, "no neurons, so that it does not matter"
    if not taus:
        gain = np.concatenate([np.asarray(node.r, np.float64).reshape(-1) for node in neurons])
        if gain.min() > 0 and np.allclose(gain, gain[0]):
            return float(
                1 / gain[0]
            ), f"no time constants; r = {gain[0]:g}, so a step of {1 / gain[0]:g} adds inputs up unscaled"
        return None, "no time constants, and r differs: the file does not say"
    least = min(float(tau.min()) for tau in taus)
    if least >= 1:
        return 1.0, f"time constants from {least:.3g} on: they count steps"
    leaky = [(node.r, getattr(node, "tau", getattr(node, "tau_mem", None))) for node in neurons]
    steps = [
        np.asarray(tau, np.float64) / np.asarray(r, np.float64) for r, tau in leaky if tau is not None and np.all(r)
    ]
    steps = [step for step in steps if not np.allclose(step, 0)]
    flat = np.concatenate([step.reshape(-1) for step in steps]) if steps else np.zeros(0)
    if flat.size and np.allclose(flat, flat[0], rtol=1e-3) and 0 < flat[0] < least:
        usual = [step for step in STEPS if np.isclose(flat[0], step, rtol=0.05)]
        if usual:
            return usual[0], f"r is about tau / {usual[0]:g} everywhere"
    return None, f"time constants from {least:.3g} on, in seconds; Norse steps 1e-3, others 1e-4: the file does not say"


def _gain(node: Any, dt: float) -> float:
    """What a unit of input adds to a potential in a step by Euler's method, r dt / tau: median over the neurons."""
    r = np.asarray(node.r, np.float64)
    tau = np.asarray(getattr(node, "tau", getattr(node, "tau_mem", 1.0)), np.float64)
    return float(np.median(r * dt / tau))


def _text(graph: nir.NIRGraph, key: str) -> str | None:
    value = graph.metadata.get(key)
    return None if value is None else str(value.decode() if isinstance(value, bytes) else value)
