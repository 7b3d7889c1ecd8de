"""The one code that all neurons of a plain network share."""

from __future__ import annotations

from processes.errors import DeployError
from processes.network import Network, PhaseNeuron, RateNeuron
from targets.nir_plain.phase import Phase
from targets.nir_plain.rate import Rate


def form_of(network: Network) -> Phase | Rate:
    """Return the code that all neurons of a network share.

    Raises:
        DeployError: there are no neurons, or their bases or windows differ.
    """
    neurons = [node.op for _, node in network if isinstance(node.op, PhaseNeuron | RateNeuron)]
    if not neurons:
        raise DeployError("a network without neurons has no spikes to export; export without --plain")
    bases = {op.schedule.base for op in neurons if isinstance(op, PhaseNeuron)}
    if len(bases) > 1:
        listed = ", ".join(f"{b:g}" for b in sorted(bases))
        raise DeployError(f"codes of different bases ({listed}) have no common leak; convert with one --base")
    windows = {op.steps for op in neurons}
    if len(windows) > 1:
        listed = ", ".join(str(steps) for steps in sorted(windows))
        raise DeployError(
            f"windows of different lengths ({listed} steps) have no common leak; convert with one --timesteps"
        )
    first = neurons[0]
    return Phase(float(bases.pop()), first.schedule.steps) if isinstance(first, PhaseNeuron) else Rate(first.steps)
