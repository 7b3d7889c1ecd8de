"""The numbers at the top of the page, and how numbers are written there."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.schema import NOT_STEPPED, Report
from deploy.shares import share_of

NBSP = "\N{NO-BREAK SPACE}"


LOW_ROWS = (
    "rows that a normalisation divides by a deviation so small that most of their codes stay silent: they lose their values. "
    "Look up the layer in the table below, calibrate on data with such rows, raise --timesteps, or take --spikes 2"
)


@dataclass(frozen=True)
class Tile:
    """A headline number."""

    label: str
    value: str
    note: str = ""
    bad: bool = False


def tiles(report: Report) -> list[Tile]:
    """Headline numbers; those that were not measured have no tile."""
    found = [*_quality(report), *_exactness(report)]
    spikes, times = report.spikes, report.seconds
    if spikes.per_neuron is not None:
        note = f"{count(spikes.total_per_sample)} spikes per sample"
        found.append(Tile("Spikes per neuron", f"{spikes.per_neuron:.3f}", note))
    steps, window = report.latency_steps, report.timesteps
    note = f"{steps / window:.1f} windows of T = {window}"
    if report.overlap:
        closest = min(report.overlap, key=lambda overlap: overlap.interval)
        note += f"; samples overlap every {count(closest.interval)} steps with {closest.state_sets} sets of state"
    found.append(Tile("Latency", f"{count(steps)} steps", note))
    notes: list[str] = []
    if times.ann_per_sample:
        notes.append(f"{times.closed_form_per_sample / times.ann_per_sample:.1f} × the original's")
    if times.target_per_sample is not None:
        notes.append(f"{report.target} {seconds(times.target_per_sample)}")
    found.append(Tile("Closed form, per sample", seconds(times.closed_form_per_sample), "; ".join(notes)))
    note = "over all samples"
    if report.compared is not None and report.compared.saturations is not None:
        note += f"; {count(report.compared.saturations)} in the samples stepped"
    found.append(Tile("Saturated potentials", count(report.saturations), note, bad=report.saturations > 0))
    if report.low_variance_rows:
        found.append(Tile("Low-variance rows", count(report.low_variance_rows), LOW_ROWS, bad=True))
    return found


def _quality(report: Report) -> list[Tile]:
    """How close the outputs are to the original's."""
    found: list[Tile] = []
    ann, snn = report.ann.accuracy, report.snn
    if (share := share_of(snn.accuracy, report.samples)) is not None:
        beside = "" if ann is None else f"; original {percent(ann)}, {signed(100 * (share.value - ann))} points"
        found.append(Tile("Accuracy", percent(share.value), f"95{NBSP}%: {share.sure}{beside}"))
    if (share := share_of(report.agreement, report.samples)) is not None:
        found.append(
            Tile("Agreement", percent(share.value), f"same prediction as the original; 95{NBSP}%: {share.sure}")
        )
    if snn.output_cosine is not None:
        found.append(Tile("Cosine of outputs", f"{snn.output_cosine:.5f}", "to the original's, mean"))
    return found


def _exactness(report: Report) -> list[Tile]:
    """The stepped run against the closed form."""
    exact = report.compared
    if report.target == "closed-form":
        what, _, remedy = NOT_STEPPED.partition("; ")
        return [Tile("Mismatches", what, f"the closed form alone ran; {remedy}, which steps samples through time")]
    if exact is None:
        return []
    compared = f"of {count(exact.compared_spikes)} spikes, {report.target} against closed form"
    return [Tile("Mismatches", count(exact.mismatches), compared, bad=exact.mismatches > 0)]


def percent(value: float) -> str:
    """A fraction as a percentage."""
    return f"{100 * value:.2f}{NBSP}%"


def signed(value: float) -> str:
    """Two decimals and a sign."""
    return f"{value:+.2f}".replace("-", "−")


def count(value: float) -> str:
    """A whole number with thousands apart."""
    return f"{value:,.0f}"


def seconds(value: float) -> str:
    """A duration in its natural unit."""
    return f"{value:.3g}{NBSP}s" if value >= 1 else f"{1000 * value:.3g}{NBSP}ms"


def sig(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}".replace("-", "−")
