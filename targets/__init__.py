"""Targets, the places where a converted network runs: one interface (:class:`Target`) and one registry of them."""

from __future__ import annotations

from targets import probes, tools
from targets.base import Target

TARGETS = (
    Target(
        "lava-sim",
        "Lava's CPU simulator, stepping through time, floating point or Loihi-style fixed point",
        probes.lava,
        "targets.lava_sim:run",
        steps=True,
        overlaps=True,
    ),
    Target(
        "stepper",
        "what Lava runs, without Lava: every operation steps through time in this process, floating point or integers",
        probes.always,
        "targets.stepper_target:run",
        steps=True,
        overlaps=True,
    ),
    Target(
        "closed-form",
        "the spiking network without time steps, batched; each report says how many times the original's time it took",
        probes.always,
        "targets.closed_form_target:run",
    ),
    Target(
        "nir",
        "a NIR graph (.nir) for other simulators, written, read back and run in the closed form",
        probes.always,
        "targets.nir_target:run",
    ),
    Target(
        "sana-fe",
        "SANA-FE, a simulator of Loihi's energy and latency, driven by the spikes of our run (GPL, a program of its own)",
        tools.SANA_FE.availability,
        "targets.sana_fe:run",
    ),
    Target(
        "loihi2",
        "the Loihi 2 chip, for networks of LIF neurons; for others `deploy export --format loihi2` writes a bundle",
        probes.loihi2,
        "targets.loihi2:run",
        standard_only=True,
    ),
    Target(
        "brian2-loihi",
        "an emulator of Loihi on Brian 2, for networks of LIF neurons",
        tools.BRIAN2_LOIHI.availability,
        "targets.chains:run",
        standard_only=True,
    ),
    Target(
        "nengo-loihi",
        "Nengo's emulator of Loihi, for networks of LIF neurons",
        tools.NENGO_LOIHI.availability,
        "targets.chains:run",
        standard_only=True,
    ),
    Target(
        "speck",
        "SynSense's Speck in sinabs' simulator, for convolutional networks of IF neurons",
        tools.SINABS.availability,
        "targets.chains:run",
        standard_only=True,
    ),
    Target(
        "xylo",
        "SynSense's Xylo Audio 2 in XyloSim, for up to 1,000 CubaLIF neurons that subtract",
        tools.XYLOSIM.availability,
        "targets.chains:run",
        standard_only=True,
    ),
    Target(
        "akida",
        "BrainChip's Akida 1 in its software backend, for networks of threshold units",
        tools.AKIDA.availability,
        "targets.chains:run",
        standard_only=True,
    ),
    Target(
        "spinnaker2",
        "the SpiNNaker2 board, for networks of LIF neurons",
        tools.SPINNAKER2.availability,
        "targets.chains:run",
        standard_only=True,
    ),
)


def registry() -> dict[str, Target]:
    """Return every known target by name, without importing any simulator or SDK."""
    return {target.name: target for target in TARGETS}
