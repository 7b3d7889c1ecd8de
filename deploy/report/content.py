"""What report.json says, assembled from measurements. A missing value is None here and absent in the file."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from deploy import energy
from deploy.energy import EventCounter
from deploy.measure import Measurement, Rung, not_spiking
from evaluator.timeline import Timeline
from processes.network import Network, Route

PACKAGES = ("spikedeploy", "torch", "numpy", "nir", "lava-nc", "timm", "transformers")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on; those not installed are absent."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def build_report(
    about: Mapping[str, Any],
    network: Network,
    times: Timeline,
    measured: Measurement,
    ladder: Sequence[Rung],
    seconds: Mapping[str, float | None],
    exactness: Mapping[str, int | None] | None = None,
    stepped_saturations: Mapping[str, int] | None = None,
    events: EventCounter | None = None,
) -> dict[str, Any]:
    """The content of report.json.

    Args:
        about: model, method, precision, timesteps, base, target and whatever else describes the conversion
            (command, options, calibration_samples, ...); goes in as it is.
        network: the converted network.
        measured: its closed form over the evaluation data.
        ladder: rungs in order; the first is the original, the last with as many samples as ``measured`` gives
            the headline numbers of the spiking network, and of those the last with layer errors each layer's ``error``.
        seconds: convert, target_per_sample, ann_per_sample, ...; closed_form_per_sample is added.
        exactness: compared_spikes, mismatches, ...; None if no stepped run was compared.
        stepped_saturations: potentials clipped in the stepped run, by layer; None or empty if they were not counted.
        events: of the evaluation data, for energy; None if they were not counted.
    """
    ann = ladder[0]
    snn = [rung for rung in ladder if rung.samples == len(measured)][-1]
    return {
        **about,
        "samples": len(measured),
        "ann": {"accuracy": ann.accuracy},
        "snn": {
            "accuracy": snn.accuracy,
            "output_cosine": snn.output_cosine,
            "relative_error": snn.relative_error,
        },
        "agreement": snn.agreement,
        "exactness": exactness,
        "latency_steps": times.period,
        "seconds": {**seconds, "closed_form_per_sample": measured.seconds_per_sample},
        "spikes": {
            "total_per_sample": measured.spikes_per_sample,
            "per_neuron": measured.spikes_per_neuron,
            "neurons": sum(measured.neurons.values()),
        },
        "saturations": sum(measured.saturations.values()),
        "low_variance_rows": sum(measured.low_rows.values()) if measured.low_rows else None,
        "ladder": [_rung(rung) for rung in ladder],
        **_cost(events),
        "layers": _layers(network, times, measured, ladder, stepped_saturations or {}, events),
        "not_spiking": [asdict(entry) for entry in not_spiking(network)],
        "versions": versions(),
    }


def _cost(events: EventCounter | None) -> dict[str, Any]:
    """What follows from the counted events; everything per sample."""
    if events is None:
        return {}
    return {
        "events": energy.events(events),
        "uncounted_operations": sorted(events.uncounted) or None,
        "energy": energy.energy(events),
        "neurobench": energy.neurobench(events),
    }


def _rung(rung: Rung) -> dict[str, Any]:
    values = {key: value for key, value in asdict(rung).items() if key != "layer_errors"}
    return values | {"layer_error": rung.layer_error}


def _layers(
    network: Network,
    times: Timeline,
    measured: Measurement,
    ladder: Sequence[Rung],
    stepped_saturations: Mapping[str, int],
    events: EventCounter | None,
) -> list[dict[str, Any]]:
    """One entry per node but routes; spikes are per sample, saturations over all samples (stepped_: of the target's)."""
    compared = [rung for rung in ladder if rung.layer_errors]
    headline = [rung for rung in compared if rung.samples == len(measured)]
    layers: list[dict[str, Any]] = []
    for name, node in network:
        if isinstance(node.op, Route):
            continue
        layer: dict[str, Any] = {
            "name": name,
            "op": node.op.name,
            "shape": node.op.shape,
            "error": headline[-1].layer_errors.get(name) if headline else None,
            "errors": {rung.name: rung.layer_errors.get(name) for rung in compared},
            "start": times.windows[name].start,
            "stop": times.windows[name].stop,
        }
        if name in measured.spikes:
            spikes = measured.node_spikes(name)
            layer |= {"neurons": measured.neurons[name], "spikes": spikes}
            layer |= {"spikes_per_neuron": spikes / measured.neurons[name]}
        if name in measured.saturations:
            layer["saturations"] = measured.saturations[name]
            layer["stepped_saturations"] = stepped_saturations.get(name)
        if name in measured.low_rows:
            layer["low_variance_rows"] = measured.low_rows[name]
        if events is not None:
            layer["events"] = energy.layer_events(events, name)
        layers.append(layer)
    return layers
