"""The SIT method's codes: signed binary digits, as many as asked for; two-spike phase codes for curved functions."""

from __future__ import annotations

from converters.sensitivity import SiteCode
from processes.calibration import factors
from processes.network import Network

CURVED = SiteCode(1.7, 2)  # measured on a trained UniFormer at T = 12: bases 2.0 and 1.5 give about twice its error


def digit_sites(network: Network, base: float, spikes: int, input_spikes: int) -> dict[str, SiteCode]:
    """Codes by firing node.

    Args:
        network: lowered, with scales.
        base: B of the digits, 2 for binary ones.
        spikes: most digits of a value that are not zero.
        input_spikes: the most of the neurons that code the network's input, if that is more than ``spikes``.
    """
    sites: dict[str, SiteCode] = {}
    for name, node in network:
        if not node.op.fires or node.op.passes_on:
            continue
        match factors(node.op):
            case "octaves":  # curved functions
                sites[name] = CURVED
            case "any":
                sites[name] = SiteCode(base, max(spikes, input_spikes) if network.codes_input(name) else spikes)
            case "none":
                sites[name] = SiteCode(base, 1)
    return sites
