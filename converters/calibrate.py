"""Calibration: scales from real activations, then codes, thresholds and weights in units of the spikes they read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from converters.balance import balance
from converters.ingredients import ALL, Ingredients
from converters.positions import Position
from converters.scales import observe_peaks, set_scales
from converters.sensitivity import SiteCode
from processes import verifier
from processes.batches import Progress
from processes.calibration import Coding, coded, factors, folded, rescaled
from processes.errors import DeployError
from processes.network import CalibratedNetwork, LoweredNetwork, Network, ScaledNetwork, require
from processes.phase_code import PhaseCode


def calibrate(
    network: LoweredNetwork,
    samples: np.ndarray,
    code: PhaseCode,
    batch: int = 32,
    progress: Progress | None = None,
    *,
    spikes: int = 1,
    input_spikes: int = 1,
    race: bool = False,
    sharpen: bool = False,
    balanced: bool = False,
) -> CalibratedNetwork:
    """Calibrate a lowered network: the same code for every neuron, the largest magnitudes on the samples as scales.

    Args:
        network: from :func:`converters.lowering.lower`; left as it is.
        samples: calibration inputs (N, *input).
        code: base and window of every code.
        batch: samples evaluated together.
        progress: called with (samples done, samples in all).
        spikes: most spikes per value and window, 1 to 3.
        input_spikes: most spikes of the neurons that code the network's input, if that is more than ``spikes``.
        race: let WOSS find its winners by a falling threshold instead of graded spikes.
        sharpen: make WOSS too sharp by the factor B, as published.
        balanced: raise scales where weights that will be integers gain by it (:mod:`converters.balance`).

    Returns:
        A network ready to run in floating point.

    Raises:
        DeployError: fewer than 1 or more than 3 spikes, or a network that is not a lowered one.
    """
    scaled, peaks = scale(network, samples, batch, progress)
    return encode(scaled, uniform(network, code.base, spikes, input_spikes), code, peaks, race, sharpen, balanced)


def scale(
    network: LoweredNetwork,
    samples: np.ndarray,
    batch: int = 32,
    progress: Progress | None = None,
    ingredients: Ingredients = ALL,
) -> tuple[ScaledNetwork, dict[str, np.ndarray]]:
    """Give the neurons of a lowered network their scales: the largest magnitudes on the samples, by feature.

    Args:
        network: from :func:`converters.lowering.lower`; left as it is.
        samples: calibration inputs (N, *input).
        batch: samples evaluated together.
        progress: called with (samples done, samples in all).
        ingredients: whether scales differ between channels, and between q and k of a product.

    Returns:
        The network with scales, and by node the peaks that they come from (:func:`converters.scales.observe_peaks`).
    """
    peaks = observe_peaks(require(network, LoweredNetwork, "calibration"), samples, batch, progress)
    scaled = network.at(ScaledNetwork)
    set_scales(scaled, peaks, len(samples), ingredients)
    return scaled, peaks


def uniform(network: Network, base: float, spikes: int, input_spikes: int = 1) -> dict[str, SiteCode]:
    """One and the same code, with the calibrated scale, for every firing node, by the node's name.

    Args:
        network: lowered.
        base: B.
        spikes: most spikes per value and window, 1 to 3.
        input_spikes: most spikes of the neurons that code the network's input, if that is more than ``spikes``.

    Raises:
        DeployError: fewer than 1 or more than 3 spikes.
    """
    check_spikes(max(spikes, input_spikes))
    sites = {}
    for name, node in network:
        if node.op.fires and not node.op.passes_on:
            most = max(spikes, input_spikes) if network.codes_input(name) else spikes
            sites[name] = SiteCode(base, most)
    return sites


def check_spikes(spikes: int) -> None:
    """Raise DeployError if the number of spikes per value is not 1 to 3."""
    if not 1 <= spikes <= 3:
        raise DeployError(f"{spikes} spikes per value are outside 1 to 3; try 2")


def encode(
    network: ScaledNetwork,
    sites: Mapping[str, SiteCode],
    code: PhaseCode,
    peaks: Mapping[str, np.ndarray],
    race: bool = False,
    sharpen: bool = False,
    balanced: bool = False,
) -> CalibratedNetwork:
    """Give every firing node of a scaled network its code, and fold all scales into the operations that read spikes.

    Args:
        network: from :func:`scale`; left as it is.
        sites: codes by firing node.
        code: its T is that of codes without a T of their own, its base the one that the network's header states.
        peaks: by node, the observed peaks, from :func:`scale`.
        race: let WOSS find its winners by a falling threshold instead of graded spikes.
        sharpen: make WOSS too sharp by the factor B, as published.
        balanced: raise scales where weights that will be integers gain by it (:mod:`converters.balance`).
    """
    most = max((site.spikes for site in sites.values()), default=1)
    own = {name: PhaseCode(site.base, site.steps or code.steps) for name, site in sites.items()}
    longest = max((each.steps for each in own.values()), default=code.steps)
    header = replace(network.header, base=code.base, timesteps=longest, spikes=most, precision="float")
    out = require(network, ScaledNetwork, "coding").at(CalibratedNetwork, header)
    for name, site in sites.items():
        op = coded(out[name], site.spikes, site.latest)
        out.put(name, op if factors(op) == "none" else rescaled(op, Position(out, name).scale * site.scale))
    if balanced:
        balance(out, own)
    for name, node in list(out):
        coding = Coding(own.get(name, code), peaks.get(name), race, sharpen)
        out.put(name, folded(node.op, Position(out, name), coding))
    verifier.check(out)
    return out
