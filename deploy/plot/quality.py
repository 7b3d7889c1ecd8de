"""Figures of quality: the accuracy ladder, and decoded values of layers against original ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from deploy.plot.source import COLOURS, Source, absent, canvas, chosen_layers, grid, opened
from deploy.shares import share_of

SHARES = ("accuracy", "agreement")


def ladder(source: Source) -> Any:
    """Accuracy, agreement and errors by rung, each adding a source of error; bars are 95 % intervals (Wilson).

    Raises:
        DeployError: the source holds no ladder.
    """
    shown = opened(source)
    rungs = shown.known.ladder
    if not rungs:
        raise absent(shown, "ladder", "convert again with --force")
    figure, ((left, right),) = canvas(
        1, 2, 8, 1.4 + 0.4 * len(rungs), f"{shown.known.model}: where accuracy goes, {rungs[0].samples:,} samples"
    )
    places = np.arange(len(rungs))
    counted = False
    for number, key in enumerate(SHARES):
        shares = [share_of(getattr(rung, key), rung.samples) for rung in rungs]
        at = [place + 0.2 * number - 0.1 for place, share in zip(places, shares, strict=True) if share is not None]
        known = [share for share in shares if share is not None]
        if not known:
            continue
        counted = True
        middle = np.array([100 * share.value for share in known])
        ends = 100 * np.array([share.interval for share in known]).T
        reach = np.maximum(np.stack([middle - ends[0], ends[1] - middle]), 0)
        left.errorbar(middle, at, xerr=reach, fmt="o", capsize=2, color=COLOURS[number], label=key)
    if counted:
        left.set_xlabel("share of samples, %")
        left.legend(fontsize="small")
    else:
        left.plot([rung.output_cosine for rung in rungs[1:]], places[1:], "o", color=COLOURS[0])
        left.set_xlabel("cosine of outputs to the original's")
    for number, (key, label) in enumerate((("relative_error", "outputs"), ("layer_error", "layers, mean"))):
        errors = [(getattr(rung, key), place) for rung, place in zip(rungs, places, strict=True)]
        drawn = [(error, place) for error, place in errors if error is not None]
        right.barh(
            [place + 0.36 * number - 0.18 for _, place in drawn], [error for error, _ in drawn], 0.34,
            color=COLOURS[number], label=label,
        )  # fmt: skip
    right.set_xlabel("relative error |y − y₀| / |y₀|")
    right.legend(fontsize="small")
    left.set_yticks(places, [f"{rung.name} (n = {rung.samples:,})" for rung in rungs])
    right.set_yticks(places, [])
    for axes in (left, right):
        axes.set_ylim(len(rungs) - 0.5, -0.5)
        axes.grid(axis="x", alpha=0.3)
    return figure


def scatter(source: Source, layers: str | None = None) -> Any:
    """Values decoded from spikes against the original's, a panel for each layer; on the dashed line both are equal.

    ``layers``: a shell pattern of layer names; None for up to 24 evenly spaced layers.

    Raises:
        DeployError: no layer matches, or the source holds no values.
    """
    shown = opened(source)
    found = shown.figures.scatter
    if not found:
        raise absent(shown, "values of layers", "convert again with --force")
    names = chosen_layers(list(found), layers, shown.where)
    errors = {layer.name: layer.error for layer in shown.known.layers}
    figure, panels = grid(len(names), 2.2, 2.3, f"{shown.known.model}: decoded spikes against the original")
    for name, axes in zip(names, panels, strict=True):
        original, decoded = found[name]
        # Vector files with thousands of points open slowly, so the points are rasterised.
        axes.plot(original, decoded, ".", markersize=2, alpha=0.5, color=COLOURS[0], rasterized=True)
        low, high = min(original.min(), decoded.min()), max(original.max(), decoded.max())
        axes.plot([low, high], [low, high], "--", linewidth=0.8, color=COLOURS[5])
        error = errors.get(name)
        axes.set_title(name if error is None else f"{name}\nerror {error:.3f}", fontsize="x-small")
        axes.set_xlabel("original value", fontsize="x-small")
        axes.set_ylabel("decoded value", fontsize="x-small")
        axes.tick_params(labelsize="x-small")
    return figure
