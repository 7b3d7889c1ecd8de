"""Writes docs/accuracy.md: the rows that :mod:`benchmarks.accuracy` measures, as tables."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.subject import Measured

Results = dict[str, dict[str, Measured | None]]
"""By subject and row; None where the model cannot be converted so."""

SPIKES: dict[str, int | None] = {"1 spike": 1, "auto": None, "2 spikes": 2, "3 spikes": 3}
PLAIN_RECIPE = "plain recipe"
TITLES = {"demo": "demo ViT", "swin": "small Swin", "minilm": "MiniLM", "dino": "DINOv2-small"}
MODELS = {
    "demo": "the bundled vision transformer, 4 blocks; Fashion-MNIST",
    "swin": "two stages of two blocks, trained by `python -m benchmarks.swin_fashion`; Fashion-MNIST",
    "minilm": "all-MiniLM-L6-v2, embeddings of movie sentences; a logistic head on the original's embeddings tells sentiment",
    "dino": "12 blocks with a DINOv2-small's trained weights, features of the class token; a linear probe on the original's "
    "features, Fashion-MNIST",
}
INGREDIENTS = {
    "layer_bases": ("a base for each layer", "one base for all, the best one", "judged"),
    "layer_scales": ("scales that minimise the error", "the largest value seen", "judged"),
    "channel_scales": ("a scale for each channel, folded into weights and norms", "one for a layer", "always"),
    "equal_products": (
        "scales of queries and keys vary within a head, their product does not", "one for a head", "always",
    ),
    "biases": ("bias correction", "biases as they were", "judged"),
    "rounding": ("weights rounded together, so that errors cancel", "each to nearest", "always"),
    "importance": ("tokens and pixels count by what they cost the outputs", "all the same", "always"),
    "balance": ("scales raised where integer weights gain", "as in floating point", "judged"),
    "row_units": ("units of potentials of their own for rows of weights", "powers of two", "always"),
    "outliers": ("outlying columns have a synapse of their own", "they set the units of all weights", "where they outlie"),
    "input_spikes": ("input coded with two spikes", "with one", "an option, `--input-spikes`"),
}  # fmt: skip
"""By ingredient: what it is, what is used without it, and whether it is always used or only where data gain by it."""

HEAD = """# Accuracy

Written by `make bench-accuracy` (`python -m benchmarks.accuracy`). Everything behind the embeddings spikes, in the closed form;
nothing is retrained; calibration samples are never evaluated on. *Cosine* is that of outputs, embeddings or features to the
original's, *same answer* the share of samples with the original's answer. Accuracies of so few samples have a standard error of
one to two points, the share of same answers one of up to one point.
"""
CODES = """## Codes

Spikes per value at most: `auto` spends second spikes where they pay, within 1.4 times those of one spike. The input is coded
with two. *{plain}*: one common base (1.15 at T = 40, 1.4 at T = 16), one spike for everything, and none of the ingredients
below. Pairs of figures are floating point, fixed point.
"""
LEFT_OUT = """## Ingredients, {spikes}

T = 16, fixed point, each ingredient left out alone; {spikes} per value. In brackets, by what factor 1 - cosine changes: above
1, the ingredient helps. Then the share of same answers.
"""
KINDS = """*Judged* ingredients are used only where they lower the error on calibration samples: bases and scales node by node
on both halves of the samples, biases and raised scales on held-back ones.
"""


def markdown(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def page(results: Results, sizes: Mapping[str, tuple[int, int]]) -> str:
    """The whole page as Markdown.

    Args:
        results: by subject and row; None where a model cannot be converted so.
        sizes: by subject, numbers of evaluation and calibration samples.
    """
    models = [
        [TITLES[key], MODELS[key], f"{sizes[key][0]:,}", f"{sizes[key][1]:,}", _percent(rows["original"])]
        for key, rows in results.items()
    ]
    parts = [HEAD, markdown(["", "model and task", "samples", "calibration", "accuracy"], models)]
    parts.append(CODES.format(plain=PLAIN_RECIPE.capitalize()))
    for key, rows in results.items():
        columns = [TITLES[key], "cosine", "same answer", "accuracy", "spikes per sample"]
        parts.append(markdown(columns, _codes(rows)))
    for spikes in (1, 2):
        name = "1 spike" if spikes == 1 else "2 spikes"
        parts += [LEFT_OUT.format(spikes=name), _ingredients(results, spikes, f"T = 16, {name}, fixed")]
    parts.append(KINDS)
    return "\n".join(parts)


def _codes(rows: Mapping[str, Measured | None]) -> list[list[str]]:
    """Rows of one subject's table of codes, each with the figures of floating point and fixed point."""
    lines = []
    for steps in (40, 16):
        for name in (PLAIN_RECIPE, *SPIKES):
            pair = [rows.get(f"T = {steps}, {name}, {precision}") for precision in ("float", "fixed")]
            found = [row for row in pair if row is not None]
            if found:
                lines.append([
                    f"T = {steps}, {name}",
                    ", ".join(f"{row.cosine:.5f}" for row in found),
                    ", ".join(f"{row.same:.1%}" for row in found),
                    ", ".join(f"{row.accuracy:.1%}" for row in found),
                    f"{found[-1].spikes:,.0f}",
                ])  # fmt: skip
    return lines


def _ingredients(results: Results, spikes: int, everything: str) -> str:
    """The table of ingredients left out one at a time; ``everything`` names the row that has all of them."""
    full = {key: rows.get(everything) for key, rows in results.items()}
    lines = [["everything", "", "", *(_cell(full[key], full[key]) for key in results)]]
    for name, (what, instead, used) in INGREDIENTS.items():
        row = f"{spikes} without {name}"
        if any(row in rows for rows in results.values()):
            lines.append([what, instead, used, *(_cell(rows.get(row), full[key]) for key, rows in results.items())])
    if spikes == 1:
        plain = [_cell(rows.get(f"T = 16, {PLAIN_RECIPE}, fixed"), full[key]) for key, rows in results.items()]
        lines.append(["everything", f"the {PLAIN_RECIPE}", "", *plain])
    return markdown(["ingredient", "instead", "used", *(TITLES[key] for key in results)], lines)


def _cell(row: Measured | None, full: Measured | None) -> str:
    """Cosine, the factor by which 1 - cosine is larger than with everything, and the share of same answers."""
    if row is None or full is None:
        return "-"
    return f"{row.cosine:.5f} ({(1 - row.cosine) / (1 - full.cosine):.2f}), {row.same:.1%}"


def _percent(row: Measured | None) -> str:
    return "-" if row is None else f"{row.accuracy:.2%}"
