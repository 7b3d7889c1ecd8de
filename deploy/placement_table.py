"""A placement as a table and lines for a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from deploy.overlap import sentence
from deploy.place import fills, shares, summary
from deploy.schema import Overlap
from targets.placement import Placement

MANY = 3  # largest number of layers named for one obstacle


def print_placement(console: Console, placement: Placement, overlap: Overlap) -> None:
    """Print the layers, their sums, the interval between samples, and which layers cannot run on the chip."""
    total, chip = summary(placement), placement.chip
    console.print(layers_table(placement))
    cut = f"what cuts most layers: {total.fills_first}" if total.fills_first else "no layer had to be cut"
    console.print(
        f"{total.neurons:,} neurons, {total.synapses:,} synapses: {placement.cores:,} cores, "
        f"{placement.chips:,} {chip.title} {'chip' if placement.chips == 1 else 'chips'}; {cut}"
    )
    console.print(f"Samples overlap: {sentence(overlap)}", soft_wrap=True)
    if chip.needs:
        console.print(f"nothing of this runs there yet; it takes: {'; '.join(chip.needs)}", soft_wrap=True)
    for name in placement.chip.unknown:
        most = max((layer.tile.use.get(name, 0) for layer in placement.layers if layer.tile), default=0)
        console.print(f"not checked: {name} (no public number for {placement.chip.title}); at most {most:,} are used")
    for text, count in total.obstacles.items():
        layers = [layer.population.name for layer in placement.layers if text in layer.obstacles]
        named = ", ".join(layers[:MANY]) + (", ..." if count > MANY else "")
        console.print(f"does not run there: {count} layers ({named}): {text}", soft_wrap=True)


def layers_table(placement: Placement) -> Table:
    """A row for each layer: neurons, synapses, cores, tile of a core, what limits it, and use of the fullest core."""
    table = Table(
        title=f"Placement on {placement.chip.title}", title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0)
    )
    table.add_column("layer", overflow="fold")
    for heading in ("neurons", "synapses", "cores", "one holds", "cut by", "fullest core"):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer in placement.layers:
        tile, population = layer.tile, layer.population
        share = max(shares(placement, layer).items(), key=lambda item: item[1], default=("", 0.0))
        table.add_row(
            population.name,
            f"{population.neurons:,}",
            f"{population.synapses:,}",
            f"{layer.cores:,}",
            "none" if tile is None else f"{tile.rows} x {tile.columns}",
            fills(layer),
            f"{100 * share[1]:.0f} % {share[0].removesuffix('_bits').replace('_', ' ')}",
        )
    return table
