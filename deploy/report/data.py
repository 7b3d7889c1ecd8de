"""The data behind every drawing as CSV text, which a page offers to save and `deploy plot -o FILE.csv` writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from deploy.measure import AttentionMap, RasterLayer, Stage
from deploy.schema import Cost, Measured, PlacedLayer, Rung, Search, SoftmaxError
from deploy.shares import share_of


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV text of a header and rows; None becomes an empty cell, floats have six significant digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    return out.getvalue()


def ladder(rungs: Sequence[Rung]) -> str:
    """CSV of a ladder, a row for each rung; accuracy and agreement are shares with the ends of their 95 % intervals."""
    shares = ("accuracy", "agreement")
    header = ["network", "samples", *(f"{key}{end}" for key in shares for end in ("", "_low", "_high"))]
    rows = []
    for rung in rungs:
        row: list[Any] = [rung.name, rung.samples]
        for key in shares:
            share = share_of(getattr(rung, key), rung.samples)
            row += [None] * 3 if share is None else [share.value, *share.interval]
        rows.append([*row, rung.output_cosine, rung.relative_error, rung.layer_error])
    return table([*header, "output_cosine", "relative_error", "layer_error"], rows)


def scatter(points: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """CSV of (original, decoded) values by layer, a row for each point, in the original network's units."""
    rows = (
        (name, *pair)
        for name, (original, decoded) in points.items()
        for pair in zip(original.tolist(), decoded.tolist(), strict=True)
    )
    return table(("layer", "original", "decoded"), rows)


def raster(layers: Sequence[RasterLayer]) -> str:
    """CSV of recorded spikes, a row for each spike; neurons are numbered among those that were recorded."""
    rows = (
        (layer.name, row, step, sign)
        for layer in layers
        for row, step, sign in zip(layer.rows.tolist(), layer.steps.tolist(), layer.signs.tolist(), strict=True)
    )
    return table(("layer", "neuron", "time_step", "sign"), rows)


def timeline(stages: Sequence[Stage]) -> str:
    """CSV of a schedule, a row for each stage, in time steps; a stage emits in [start, stop)."""
    rows = ((s.name, s.op, s.role, s.listens, s.start, s.stop, s.waited) for s in stages)
    return table(("stage", "operation", "role", "listens", "start", "stop", "waited"), rows)


def waits(parts: Iterable[Any]) -> str:
    """CSV of the latency's parts, a row for each role of a stage with the time steps by which it delays the readout."""
    return table(("role", "time_steps"), ((part.role, part.steps) for part in parts))


def energy(costs: Iterable[Cost]) -> str:
    """CSV of energy, a row for each term of each convention and network, in microjoules per sample."""
    rows = (
        (cost.title, network, term.what, term.microjoules, term.picojoules_each, term.omitted, term.source)
        for cost in costs
        for network, terms in (
            ("spiking", cost.snn_terms), ("original FP32", cost.ann.fp32.terms), ("original INT8", cost.ann.int8.terms)
        )
        for term in terms
    )  # fmt: skip
    return table(
        ("convention", "network", "term", "microjoules", "picojoules_each", "omitted_by_source", "source"), rows
    )


def attention(maps: Sequence[AttentionMap]) -> str:
    """CSV of attention maps (mean over heads), a row for each cell of each map."""
    rows = (
        (layer.name, row, column, float(layer.original[row, column]), float(layer.spiking[row, column]))
        for layer in maps
        for row, column in np.ndindex(*layer.original.shape)
    )
    return table(("layer", "row", "column", "original", "spiking"), rows)


def pareto(search: Search) -> str:
    """CSV of a search, a row for each converted point: settings, quality, latency, microjoules, fronts."""
    done = [(number, point) for number, point in enumerate(search.points) if isinstance(point, Measured)]
    keys = ("timesteps", "base", "chosen_base", "method", "precision", "spikes", "tokens", "samples", "accuracy",
            "expected_loss", "agreement", "output_cosine", "relative_error", "latency_steps", "spikes_per_neuron")  # fmt: skip
    conventions = list(done[0][1].energy) if done else []
    rows = (
        [
            *(getattr(point, key) for key in keys),
            *(point.energy[name].snn for name in conventions),
            " ".join(name for name, front in search.fronts.items() if number in front),
        ]
        for number, point in done
    )
    return table([*keys, *(f"microjoules {name}" for name in conventions), "on_front_of"], rows)


def softmax(rows: Sequence[SoftmaxError]) -> str:
    """CSV of the errors of SI-exp and SI-norm, a row for each number of steps K."""
    keys = ("steps", "exp_published", "exp_extended", "relative", "published", "narrow", "wide")
    return table(keys, ([getattr(row, key) for key in keys] for row in rows))


def placement(layers: Sequence[PlacedLayer]) -> str:
    """CSV of a placement, a row for each layer with its size and its cores."""
    keys = ("name", "op", "neurons", "synapses", "first_core", "cores", "fills_first")
    return table(keys, ([getattr(layer, key) for key in keys] for layer in layers))
