"""Figures of one sample: spikes in time, stages of the network in time, attention maps."""

from __future__ import annotations

from typing import Any

from deploy.plot.source import COLOURS, KINDS, Source, absent, canvas, chosen_layers, grid, opened

AGAIN = "convert again with --force"


def raster(source: Source, layers: str | None = None) -> Any:
    """Spike raster of one sample: a panel for each layer over the steps of its window; orange spikes are negative.

    ``layers``: a shell pattern of layer names; None for up to 24 evenly spaced layers.

    Raises:
        DeployError: no layer matches, or the source holds no spikes.
    """
    shown = opened(source)
    found = {layer.name: layer for layer in shown.figures.raster}
    if not found:
        raise absent(shown, "spikes of a sample", AGAIN)
    names = chosen_layers(list(found), layers, shown.where)
    figure, panels = grid(len(names), 2.2, 1.9, f"{shown.known.model}: spikes of one sample")
    for name, axes in zip(names, panels, strict=True):
        layer = found[name]
        for sign, colour in ((1, COLOURS[0]), (-1, COLOURS[1])):
            of = layer.signs == sign
            axes.plot(layer.steps[of], layer.rows[of], "|", markersize=3, color=colour, rasterized=True)
        axes.set_xlim(layer.start - 0.5, layer.stop - 0.5)
        axes.set_ylim(layer.shown - 0.5, -0.5)
        axes.set_title(f"{name}\n{layer.shown} of {layer.neurons:,} neurons", fontsize="x-small")
        axes.set_xlabel("time step", fontsize="x-small")
        axes.set_ylabel("neuron", fontsize="x-small")
        axes.tick_params(labelsize="x-small")
    return figure


def timeline(source: Source) -> Any:
    """Every stage over a sample's time steps: a pale bar while it integrates, a full one while it fires.

    Raises:
        DeployError: the source holds no stages.
    """
    shown = opened(source)
    stages = shown.figures.stages
    if not stages:
        raise absent(shown, "stages", AGAIN)
    title = f"{shown.known.model}: where {shown.known.latency_steps:,} time steps go"
    figure, ((axes,),) = canvas(1, 1, 8, 1.2 + 0.16 * len(stages), title)
    seen: set[str] = set()
    for row, stage in enumerate(stages):
        kind = stage.role.split()[0].rstrip(",")
        colour = COLOURS[KINDS.get(kind, len(COLOURS) - 1)]
        axes.barh(row, stage.start - stage.listens, left=stage.listens, color=colour, alpha=0.3)
        label = None if kind in seen else kind
        axes.barh(row, max(1, stage.stop - stage.start), left=stage.start, color=colour, label=label)
        seen.add(kind)
    axes.set_yticks(range(len(stages)), [stage.name for stage in stages], fontsize="xx-small")
    axes.set_ylim(len(stages) - 0.5, -0.5)
    axes.set_xlabel("time step")
    axes.set_ylabel("stage")
    axes.legend(fontsize="small")
    return figure


def attention(source: Source, layers: str | None = None) -> Any:
    """Attention maps of one sample, mean over heads: left the original's, right those decoded from spikes.

    ``layers``: a shell pattern of layer names; None for up to 24 evenly spaced layers.

    Raises:
        DeployError: no layer matches, or the source holds no attention maps.
    """
    shown = opened(source)
    found = {layer.name: layer for layer in shown.figures.attention}
    if not found:
        raise absent(shown, "attention maps", "its model has no softmax in which all attend to all, or convert again")
    names = chosen_layers(list(found), layers, shown.where)
    title = f"{shown.known.model}: attention before and after"
    figure, panels = canvas(len(names), 2, 5.2, 2.4 * len(names) + 0.4, title)
    for name, pair in zip(names, panels, strict=True):
        layer = found[name]
        top = float(max(layer.original.max(), layer.spiking.max()))
        for what, weights, axes in zip(("original", "spiking"), (layer.original, layer.spiking), pair, strict=True):
            axes.imshow(weights, vmin=0, vmax=top, cmap="Blues")
            axes.set_title(f"{name}, {what}", fontsize="x-small")
            axes.set_xlabel("patch column" if layer.image else "attended token", fontsize="x-small")
            axes.set_ylabel("patch row" if layer.image else "token", fontsize="x-small")
            axes.tick_params(labelsize="x-small")
        figure.colorbar(pair[0].images[0], ax=list(pair), label="attention weight")
    return figure
