"""Lists what in a network is not binary spikes, and why, from what its operations state and from its input."""

from __future__ import annotations

from deploy.schema import NotSpiking
from processes.chips import widths_of
from processes.network import Network
from processes.operation import sample_size
from processes.operations import OPERATIONS
from processes.words import NotSpikes, not_spikes


def not_spiking(network: Network) -> list[NotSpiking]:
    """Everything in a network that is not binary spikes: its input, then operations in the order of ``OPERATIONS``."""
    fixed = network.header.fixed
    carried = f"of up to {widths_of(network.header.stated('chip')).graded_bits} bits" if fixed else "in floating point"
    order = {operation: place for place, operation in enumerate(OPERATIONS)}
    ops = sorted((node.op for _, node in network), key=lambda op: order[type(op)])
    said = [*_outside(network, fixed), *(stated for op in ops if (stated := not_spikes(op, carried)) is not None)]
    entries: dict[tuple[str, str], list[int]] = {}
    for what, why, numbers in said:
        entries.setdefault((what, why), []).append(numbers)
    return [
        NotSpiking(what=what, why=why, nodes=len(numbers), numbers_per_sample=sum(numbers))
        for (what, why), numbers in entries.items()
    ]


def _outside(network: Network, fixed: bool) -> list[NotSpikes]:
    """What the host does before the first operation, and the input's graded messages."""
    host = "scales and rounds it to an integer" if fixed else "passes it on as it is"
    why = f"one number per value at the first step; the host {host}, and neurons turn it into spikes"
    found = [NotSpikes("Input", why, sample_size(network.input_shape))]
    if before := network.header.host:
        found.insert(0, NotSpikes("Before the input", f"{before}; token numbers become the network's input"))
    return found
