"""The report of a conversion, assembled from measurements."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from deploy import energy, schema
from deploy.energy import EventCounter
from deploy.measure import Measurement, Rung, not_spiking
from deploy.overlap import overlaps
from evaluator.timeline import Timeline
from processes.network import Network, Route

PACKAGES = ("spikedeploy", "torch", "numpy", "nir", "lava-nc", "timm", "transformers")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on, by name; packages not installed are absent."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def build_report(
    network: Network,
    times: Timeline,
    measured: Measurement,
    ladder: Sequence[Rung],
    *,
    stepped_saturations: Mapping[str, int] | None = None,
    events: EventCounter | None = None,
    **about: Any,
) -> schema.Report:
    """Assemble the report of a converted network.

    Args:
        network: the converted network.
        times: its schedule.
        measured: results of its closed form on the evaluation data.
        ladder: rungs in order, the first of which is the original. The last rung with as many samples as ``measured``
            gives the spiking network's headline numbers; the last of these with layer errors gives each layer's
            ``error``.
        stepped_saturations: potentials clipped in the stepped run, by layer; None or empty if they were not counted.
        events: events counted on the evaluation data, for energy; None if they were not counted.
        about: the report's other fields: model, method, precision, timesteps, base, target, seconds, exactness, ...
    """
    ann = ladder[0]
    snn = [rung for rung in ladder if rung.samples == len(measured)][-1]
    return schema.Report(
        samples=len(measured),
        ann=schema.Original(accuracy=ann.accuracy),
        snn=schema.Spiking(accuracy=snn.accuracy, output_cosine=snn.output_cosine, relative_error=snn.relative_error),
        agreement=snn.agreement,
        latency_steps=times.period,
        overlap=overlaps(network, times),
        spikes=schema.Spikes(
            total_per_sample=measured.spikes_per_sample,
            per_neuron=measured.spikes_per_neuron,
            neurons=sum(measured.neurons.values()),
        ),
        saturations=sum(measured.saturations.values()),
        low_variance_rows=sum(measured.low_rows.values()) if measured.low_rows else None,
        ladder=tuple(recorded(rung) for rung in ladder),
        layers=_layers(network, times, measured, ladder, stepped_saturations or {}, events),
        not_spiking=tuple(not_spiking(network)),
        versions=versions(),
        **({} if events is None else _cost(events)),
        **about,
    )


def recorded(rung: Rung) -> schema.Rung:
    """A rung as reports keep it, with the mean of its layers' errors instead of each."""
    return schema.Rung(
        name=rung.name,
        samples=rung.samples,
        accuracy=rung.accuracy,
        agreement=rung.agreement,
        output_cosine=rung.output_cosine,
        relative_error=rung.relative_error,
        layer_error=rung.layer_error,
    )


def _cost(events: EventCounter) -> dict[str, Any]:
    """The report's fields that follow from counted events, all per sample: events, energy, NeuroBench's metrics."""
    return {
        "events": energy.events(events),
        "uncounted_operations": tuple(sorted(events.uncounted)),
        "energy": energy.energy(events),
        "neurobench": energy.neurobench(events),
    }


def _layers(
    network: Network,
    times: Timeline,
    measured: Measurement,
    ladder: Sequence[Rung],
    stepped_saturations: Mapping[str, int],
    events: EventCounter | None,
) -> tuple[schema.Layer, ...]:
    """One entry for each node that is no route; spikes and events are per sample, saturations over all samples."""
    compared = [rung for rung in ladder if rung.layer_errors]
    headline = [rung for rung in compared if rung.samples == len(measured)]
    layers: list[schema.Layer] = []
    for name, node in network:
        if isinstance(node.op, Route):
            continue
        neurons = measured.neurons.get(name)
        spikes = measured.node_spikes(name) if name in measured.spikes else None
        layers.append(
            schema.Layer(
                name=name,
                op=node.op.name,
                shape=node.op.shape,
                error=headline[-1].layer_errors.get(name) if headline else None,
                errors={rung.name: rung.layer_errors[name] for rung in compared if name in rung.layer_errors},
                start=times.windows[name].start,
                stop=times.windows[name].stop,
                neurons=neurons,
                spikes=spikes,
                spikes_per_neuron=spikes / neurons if spikes is not None and neurons else None,
                saturations=measured.saturations.get(name),
                stepped_saturations=stepped_saturations.get(name) if name in measured.saturations else None,
                low_variance_rows=measured.low_rows.get(name),
                events={} if events is None else energy.layer_events(events, name),
            )
        )
    return tuple(layers)
