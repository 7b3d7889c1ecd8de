"""The types of standard NIR nodes that can be run, grouped by what they do, and their numeric parameters."""

from __future__ import annotations

import nir

NEURONS = (nir.I, nir.IF, nir.LI, nir.LIF, nir.CubaLI, nir.CubaLIF)
SPIKING = (nir.IF, nir.LIF, nir.CubaLIF)
WEIGHTED = (nir.Affine, nir.Linear, nir.Scale, nir.Conv1d, nir.Conv2d)
POOLS = (nir.SumPool2d, nir.AvgPool2d)
KNOWN = (*NEURONS, *WEIGHTED, *POOLS, nir.Threshold, nir.Delay, nir.Flatten, nir.Input, nir.Output)

NUMBERS: dict[type, tuple[str, ...]] = {
    nir.I: ("r",), nir.IF: ("r", "v_threshold", "v_reset"), nir.LI: ("tau", "r", "v_leak"),
    nir.LIF: ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    nir.CubaLI: ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    nir.CubaLIF: ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
    nir.Affine: ("weight", "bias"), nir.Linear: ("weight",), nir.Scale: ("scale",), nir.Delay: ("delay",),
    nir.Conv1d: ("weight", "bias"), nir.Conv2d: ("weight", "bias"), nir.Threshold: ("threshold",),
}  # fmt: skip
"""By node type: the parameters that are arrays of real numbers."""
