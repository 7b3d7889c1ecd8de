"""The headline numbers at the top of the page, and the format of numbers on the page."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.energy import USUAL
from deploy.energy.tables import number
from deploy.schema import NOT_STEPPED, Cost, Report
from deploy.shares import share_of
from targets.placement.chip import load_chip

NBSP = "\N{NO-BREAK SPACE}"


EIGHT_BITS = "ANN, 8-bit weights"
"""Name of the rung that is the original network with the integer network's weights."""
SATURATED = (
    "Potentials that were clipped at the width of the state: their neurons answer too little. Look up the layer in the table "
    "below, and calibrate on more data, or on data that is more like what is evaluated"
)
LOW_ROWS = (
    "rows that a normalisation divides by a deviation so small that most of their codes stay silent: they lose their values. "
    "Look up the layer in the table below, calibrate on data with such rows, raise `--timesteps`, or take `--spikes 2`"
)


@dataclass(frozen=True)
class Tile:
    """A headline number with its label and a note; ``bad``: whether it shows a fault."""

    label: str
    value: str
    note: str = ""
    bad: bool = False


def tiles(report: Report) -> list[Tile]:
    """All headline numbers of a report; numbers that were not measured have no tile."""
    return [*answers(report), *diagnostics(report)]


def answers(report: Report) -> list[Tile]:
    """Headline numbers of the result: quality, energy, chips and latency."""
    found = [*_quality(report), *_energy(report), *_chips(report)]
    steps, window = report.latency_steps, report.timesteps
    note = f"from the first input to the answer: {steps / window:.1f} windows of T = {window}"
    if report.timesteps_in_words != str(window):
        note = f"from the first input to the answer: windows of T = {report.timesteps_in_words}"
    if report.overlap:
        closest = min(report.overlap, key=lambda overlap: overlap.interval)
        note += f"; samples overlap every {count(closest.interval)} steps with {closest.state_sets} sets of state"
    return [*found, Tile("Latency", f"{count(steps)} steps", note)]


def diagnostics(report: Report) -> list[Tile]:
    """Headline numbers that show whether to trust the run: mismatches, spikes, times, saturations, low variances."""
    found = _exactness(report)
    spikes, times = report.spikes, report.seconds
    if spikes.per_neuron is not None:
        note = f"{count(spikes.total_per_sample)} spikes per sample"
        found.append(Tile("Spikes per neuron", f"{spikes.per_neuron:.3f}", note))
    notes = ["after a warm-up, without compilation"]
    if times.ann_per_sample:
        notes.insert(0, f"{times.closed_form_per_sample / times.ann_per_sample:.1f} × the original's")
    if times.target_per_sample is not None:
        notes.append(f"{report.target} {seconds(times.target_per_sample)}")
    found.append(Tile("Closed form, per sample", seconds(times.closed_form_per_sample), "; ".join(notes)))
    note = "over all samples" if report.saturations else "none was clipped at the width of the state, in any sample"
    if report.compared is not None and report.compared.saturations is not None:
        note += f"; {count(report.compared.saturations)} in the samples stepped"
    if report.saturations:
        note += f". {SATURATED}"
    found.append(Tile("Saturated potentials", count(report.saturations), note, bad=report.saturations > 0))
    if report.low_variance_rows:
        found.append(Tile("Low-variance rows", count(report.low_variance_rows), LOW_ROWS, bad=True))
    return found


def _energy(report: Report) -> list[Tile]:
    """The tile of energy by the usual convention, omitted terms included, next to the original in FP32 and INT8."""
    cost = report.energy.get(USUAL)
    if cost is None:
        return []
    spiking, fp32, int8 = joules(cost)
    eight = next((rung for rung in report.ladder if rung.name == EIGHT_BITS), None)
    right = ""
    if eight is not None and eight.accuracy is not None:
        right = f", which with 8-bit weights is right on {percent(eight.accuracy)}"
    elif eight is not None and eight.output_cosine is not None:
        right = f", whose outputs with 8-bit weights have a cosine of {eight.output_cosine:.5f}"
    beside = [
        f"{sig(spiking / it)} × {name} ({sig(it)} µJ)"
        for name, it in (("the original in FP32", fp32), ("in INT8", int8))
    ]
    note = f"{', '.join(beside)}{right}; {cost.title}"
    return [Tile("Energy, per sample", f"{sig(spiking)}{NBSP}µJ", note)]


def joules(cost: Cost) -> tuple[float, float, float]:
    """Microjoules of all terms, omitted ones included: (spiking network, original in FP32, original in INT8)."""
    return sum(term.microjoules for term in cost.snn_terms), cost.ann.fp32.everything, cost.ann.int8.everything


def _chips(report: Report) -> list[Tile]:
    """The tile of cores and chips needed, and what is missing to run there, for the chip with the fewest obstacles."""
    if not report.placement:
        return []
    name, found = min(report.placement.items(), key=lambda item: len(item[1].obstacles))
    chip = load_chip(name)
    missing = "; ".join((*chip.needs, *found.obstacles))
    note = f"{count(found.cores)} cores of {chip.title}, on paper: nothing of this runs there yet. Missing: {missing}"
    return [Tile("Chips", count(found.chips), note)]


def verdict(report: Report) -> str:
    """The report in one sentence: quality, energy and latency."""
    parts = [_good(report)]
    cost = report.energy.get(USUAL)
    if cost is not None and all(value > 0 for value in joules(cost)):
        spiking, fp32, int8 = joules(cost)
        parts.append(
            f"takes {sig(spiking / fp32)} times the energy of the original in FP32 and {sig(spiking / int8)} times that in "
            f"INT8 by the convention “{cost.title}”"
        )
    parts.append(f"answers after {count(report.latency_steps)} time steps")
    return f"The spiking network {', '.join(parts[:-1])} and {parts[-1]}."


def _good(report: Report) -> str:
    """Quality in words; a difference within the 95 % interval of the accuracy is not claimed to be one."""
    share, ann = share_of(report.snn.accuracy, report.samples), report.ann.accuracy
    if share is not None and ann is not None:
        low, high = share.interval
        apart = f"{abs(100 * (share.value - ann)):.2f} points {'above' if share.value > ann else 'below'}"
        if low <= ann <= high:
            sure = f"a difference that {count(report.samples)} samples cannot tell from none"
        else:
            sure = f"more than {count(report.samples)} samples would show by chance"
        beside = "as often as the original" if share.value == ann else f"{apart} the original, {sure}"
        return f"is right on {percent(share.value)} of the samples, {beside}"
    if share is not None:
        return f"is right on {percent(share.value)} of the samples"
    if report.agreement is not None:
        return f"predicts what the original does on {percent(report.agreement)} of the samples"
    if report.snn.output_cosine is not None:
        return f"has outputs with a mean cosine of {report.snn.output_cosine:.5f} to the original's"
    return "was measured without labels or classes"


def _quality(report: Report) -> list[Tile]:
    """The tiles of quality: accuracy, agreement and cosine of outputs, each if measured."""
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
    """The tile of mismatches between the stepped run and the closed form; empty if they were not compared."""
    exact = report.compared
    if report.target == "closed-form":
        what, _, remedy = NOT_STEPPED.partition("; ")
        return [Tile("Mismatches", what, f"the closed form alone ran; {remedy}, which steps samples through time")]
    if exact is None:
        return []
    compared = f"of {count(exact.compared_spikes)} spikes, {report.target} against closed form"
    if exact.mismatches:
        compared += ". They should be identical: `deploy verify OUT` names the first layer, neuron and step that differ"
    return [Tile("Mismatches", count(exact.mismatches), compared, bad=exact.mismatches > 0)]


def percent(value: float) -> str:
    """A fraction as a percentage with two decimals."""
    return f"{100 * value:.2f}{NBSP}%"


def signed(value: float) -> str:
    """A number with two decimals and its sign."""
    return f"{value:+.2f}".replace("-", "−")


def count(value: float) -> str:
    """A number rounded to a whole one, with commas between thousands."""
    return f"{value:,.0f}"


def seconds(value: float) -> str:
    """A duration given in seconds, in s or ms, with three significant digits."""
    return f"{value:.3g}{NBSP}s" if value >= 1 else f"{1000 * value:.3g}{NBSP}ms"


def sig(value: float) -> str:
    """A number with three significant digits; from 1,000 a whole number with commas."""
    return number(value).replace("-", "−")
