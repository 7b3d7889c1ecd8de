"""Measures SmolLM2-135M-Instruct as a spiking network: perplexity, agreement with the original, spikes, time a token.

    python -m benchmarks.language
    python -m benchmarks.language --rows 2,40 --rows 1,40 --evaluated 4096 --resume
    python -m benchmarks.language --rows 2,16 --calibration 4 --tokens 64 --evaluated 64 --prompts 0 --stepped 16

Everything between token embedding and logits spikes. The network is calibrated on one work (Debian's FAQ) and evaluated
on another (Debian's policy), in windows that predict each token once. Then the original continues prompts from there
greedily, and the network, given the same tokens, predicts each next one. --held runs some of these continuations token
by token from held traces, compares every spike and potential with the whole sequence at once, and times them beside the
original with its cache. --stepped steps the first tokens of a window on a target. Seconds are processor time, except
those of conversion and of targets. out/bench-language.json keeps the rows, docs/language.md has the figures.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import material
from converters.ingredients import ALL
from converters.pipeline import convert_module, front_end, network_input
from deploy import measure
from deploy.language.following import spiking
from deploy.language.generate import GREEDY, generate
from deploy.language.scores import COLUMNS, Windows, scores, windows
from deploy.sources import load_model
from deploy.sources.loaded import LoadedModel, TextInput
from deploy.sources.texts import document, encoded
from evaluator.closed_form import ClosedForm
from evaluator.compare import compare
from evaluator.continued import NOTHING, Continued
from evaluator.going_on import differing
from processes.network import Network
from processes.operation import Result
from targets import lava_sim, stepper_target

KEPT = Path("out/bench-language.json")
PROMPT_TOKENS = 16
PROMPT = "A package manager is a program that"


@dataclass(frozen=True)
class Row:
    """Figures of one network.

    Attributes:
        tokens, original, spiking, divergence, same: sums over tokens, as :data:`deploy.language.scores.COLUMNS` names them.
        spikes: per token. seconds, original_seconds: per token of a window. convert_seconds: of the conversion.
        text: the network's greedy continuation of ``PROMPT``.
        chosen: share of the original's greedy choices that the network makes too, given the original's tokens.
        differences: spikes and potentials that differ between target and closed form; None if nothing was stepped.
        compared: how many were compared. stepped_seconds: of the target, for all tokens together.
        held_differences, held_compared: between runs from held traces and whole sequences. held_seconds: per token from
            held traces. cached_seconds: per token of the original with its cache.
    """

    tokens: float
    original: float
    spiking: float
    divergence: float
    same: float
    spikes: float
    seconds: float
    original_seconds: float
    convert_seconds: float
    text: str
    chosen: float = math.nan
    differences: int | None = None
    compared: int = 0
    stepped_seconds: float = 0.0
    held_differences: int | None = None
    held_compared: int = 0
    held_seconds: float = math.nan
    cached_seconds: float = math.nan

    def cells(self) -> tuple[str, ...]:
        """The figures as the cells of :func:`_table`, in its order."""
        one, other = (np.exp(loss / self.tokens) for loss in (self.original, self.spiking))
        return (
            f"{one:.2f}", f"{other:.2f}", f"{other / one - 1:+.1%}", f"{self.same / self.tokens:.1%}",
            f"{self.divergence / self.tokens:.4f}", f"{self.spikes:,.0f}", f"{1000 * self.seconds:.1f}",
            f"{1000 * self.original_seconds:.1f} ({self.seconds / self.original_seconds:.2f} times)",
            f"{1000 * self.held_seconds:.0f}",
            f"{1000 * self.cached_seconds:.0f} ({self.held_seconds / self.cached_seconds:.2f} times)",
            f"{self.convert_seconds / 60:.1f}", f"{self.chosen:.1%}", _of(self.held_differences, self.held_compared),
            _of(self.differences, self.compared),
        )  # fmt: skip


def measured(network: Network, model: LoadedModel, text: TextInput, given: Windows, new: int) -> Row:
    """Run the network and its original on all windows, and let the network continue PROMPT by ``new`` tokens."""
    host = front_end(model.module, [given.tokens[:1]])[1]
    total, original_seconds, seconds, spikes = np.zeros(len(COLUMNS)), 0.0, 0.0, 0
    for tokens, counted in zip(given.tokens, given.counted, strict=True):
        begin = time.process_time()
        with torch.no_grad():
            wanted = model.module(torch.from_numpy(tokens[None])).numpy()
        middle = time.process_time()
        found = measure.evaluate(ClosedForm(network), network_input(host, [tokens[None]]), 1)
        seconds, original_seconds = seconds + time.process_time() - middle, original_seconds + middle - begin
        spikes += sum(found.spikes.values())
        total += scores(wanted, found.outputs.reshape(wanted.shape), Windows(tokens[None], counted[None])).sum(0)
    seen = given.tokens.size
    prompt = encoded(PROMPT, text, PROMPT).tolist()
    written = [token.text for token in generate(spiking(network, model, "closed-form"), prompt, new, GREEDY, text)]
    return Row(
        **dict(zip(COLUMNS, total.tolist(), strict=True)), spikes=spikes / seen, seconds=seconds / seen,
        original_seconds=original_seconds / seen, convert_seconds=0.0, text="".join(written),
    )  # fmt: skip


def greedy(model: LoadedModel, document: np.ndarray, prompts: int, new: int, window: int) -> Windows:
    """Prompts spread over a document, each continued by the original with ``new`` greedy tokens, which are counted."""
    begins = np.linspace(0, len(document) - PROMPT_TOKENS, prompts).astype(int)
    tokens = np.stack([document[begin : begin + PROMPT_TOKENS] for begin in begins]).astype(np.int64)
    for _ in range(new):
        with torch.no_grad():
            following = model.module(torch.from_numpy(tokens)).numpy()[:, -1].argmax(-1)
        tokens = np.concatenate([tokens, following[:, None]], 1)
    counted = np.tile([PROMPT_TOKENS, PROMPT_TOKENS + new], (prompts, 1))
    return Windows(np.pad(tokens, ((0, 0), (0, window - tokens.shape[1])), mode="edge"), counted)


def chosen(network: Network, model: LoadedModel, given: Windows) -> float:
    """Share of the counted tokens in ``given``, made by :func:`greedy`, that the network chooses too."""
    host, same = front_end(model.module, [given.tokens[:1]])[1], 0
    for tokens, (first, stop) in zip(given.tokens, given.counted, strict=True):
        outputs = measure.evaluate(ClosedForm(network), network_input(host, [tokens[None]]), 1).outputs[0]
        same += int((outputs.reshape(len(tokens), -1)[first - 1 : stop - 1].argmax(-1) == tokens[first:stop]).sum())
    return same / float((given.counted[:, 1] - given.counted[:, 0]).sum())


@torch.no_grad()
def held(network: Network, model: LoadedModel, given: Windows) -> dict[str, float]:
    """Compare and time continuations run token by token from held traces; returns fields of Row."""
    host, continued = front_end(model.module, [given.tokens[:1]])[1], Continued(network)
    original: Any = model.module.model
    differences, compared, seconds, cached, timed = 0, 0, 0.0, 0.0, 0
    for tokens, (first, stop) in zip(given.tokens, given.counted.tolist(), strict=True):
        x = torch.from_numpy(network_input(host, [tokens[None]])).reshape(1, *network.input_shape)[:, :, :stop]
        whole: dict[str, Result] = {}
        ClosedForm(continued.part(0, stop)).run(x, lambda name, _, result, whole=whole: whole.__setitem__(name, result))
        found, of = differing(continued, x, whole, range(first, stop + 1))
        differences, compared = differences + found.total(), compared + of
        _, traces = continued.run(NOTHING, x[:, :, :first])
        past = original(input_ids=torch.from_numpy(tokens[None, :first]), use_cache=True).past_key_values
        for place in range(first, stop):
            begin = time.process_time()
            _, traces = continued.run(traces, x[:, :, place : place + 1])
            middle = time.process_time()
            original(input_ids=torch.from_numpy(tokens[None, place : place + 1]), past_key_values=past, use_cache=True)
            seconds, cached, timed = seconds + middle - begin, cached + time.process_time() - middle, timed + 1
    return {
        "held_differences": differences, "held_compared": compared,
        "held_seconds": seconds / timed, "cached_seconds": cached / timed,
    }  # fmt: skip


def stepped(network: Network, model: LoadedModel, tokens: np.ndarray, target: str) -> dict[str, float]:
    """Step tokens (1, n) on a target and compare them with the closed form; returns fields of Row."""
    host = front_end(model.module, [tokens])[1]
    part, x = Continued(network).part(0, tokens.shape[1]), network_input(host, [tokens])
    run = (lava_sim if target == "lava-sim" else stepper_target).run(part, x)
    found = compare(part, x, run)
    compared = found.compared_spikes + found.compared_potentials
    return {"differences": found.mismatches, "compared": compared, "stepped_seconds": run.seconds_per_sample}


def main(
    rows: Annotated[
        list[str], typer.Option(help="SPIKES,T, such as 2,40; SPIKES may be auto. Both precisions are measured.")
    ] = [  # noqa: B006
        "2,40",
        "1,40",
        "auto,40",
        "2,16",
        "1,16",
    ],
    calibration: Annotated[int, typer.Option(help="Windows to calibrate on.")] = 16,
    tokens: Annotated[int, typer.Option(help="Tokens of a window.")] = 512,
    stride: Annotated[int, typer.Option(help="Tokens from a window to the next one.")] = 256,
    evaluated: Annotated[int, typer.Option(help="Tokens of the other work, from its beginning.")] = 20_000,
    new: Annotated[int, typer.Option(help="Tokens to go on with.")] = 64,
    batch: Annotated[int, typer.Option(help="Windows evaluated together while converting.")] = 8,
    prompts: Annotated[int, typer.Option(help="Prompts that the original goes on with greedily.")] = 20,
    few: Annotated[int, typer.Option("--held", help="Of these, how many are also run from held traces.")] = 0,
    first: Annotated[int, typer.Option("--stepped", help="Tokens of a window to step; 0 for none.")] = 0,
    target: Annotated[str, typer.Option(help="Where they are stepped: stepper or lava-sim.")] = "stepper",
    without: Annotated[
        str, typer.Option(help="Ingredients of conversion to leave out, such as headroom,rounding.")
    ] = "",
    fixed: Annotated[bool, typer.Option(help="Whether to measure integers too.")] = True,
    resume: Annotated[bool, typer.Option(help="Whether to keep what has been measured.")] = False,
    page: Annotated[Path, typer.Option(help="Where measured rows are kept.")] = KEPT,
) -> None:
    """Convert and measure, row by row."""
    torch.set_num_threads(1)
    model = load_model(f"hf:{material.smollm2()}")
    assert model.text is not None
    text = replace(model.text, window=tokens)
    fit, judged = (document(path, text) for path in material.prose())
    samples = fit[: calibration * tokens].reshape(calibration, tokens)
    given = windows(judged[:evaluated], tokens, stride)
    ingredients = replace(ALL, **dict.fromkeys(without.split(",") if without else [], False))
    asked = greedy(model, judged[evaluated:], prompts, new, tokens) if prompts else None
    kept = json.loads(page.read_text()) if resume and page.exists() else {}
    console = Console()
    for row in rows:
        names = {
            precision: f"{row}, {precision}" + f" without {without}" * bool(without) for precision in ("float", "fixed")
        }
        if names["fixed" if fixed else "float"] in kept:
            continue
        spikes, steps = row.split(",")
        begin = time.perf_counter()
        stages = convert_module(
            model.module, [samples], int(steps), spikes=None if spikes == "auto" else int(spikes), input_spikes=2, batch=batch,
            fixed=fixed, ingredients=ingredients, progress=_told(console),
        )  # fmt: skip
        seconds = time.perf_counter() - begin
        for precision, network in (("float", stages.calibrated.kept()), ("fixed", stages.fixed)):
            if network is None:
                continue
            found = replace(measured(network, model, text, given, new), convert_seconds=seconds)
            if asked is not None:
                found = replace(found, chosen=chosen(network, model, asked))
            if few and asked is not None and precision == "fixed":
                found = replace(found, **held(network, model, Windows(asked.tokens[:few], asked.counted[:few])))
            if first and precision == "fixed":
                found = replace(found, **stepped(network, model, given.tokens[:1, :first], target))
            kept[names[precision]] = asdict(found)
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(json.dumps(kept, indent=1))
            console.print(_table({names[precision]: found}))
    console.print(_table({row: Row(**values) for row, values in kept.items()}))


def _of(differences: int | None, compared: int) -> str:
    """A table's cell of differences; empty if nothing was compared."""
    return "" if differences is None else f"{differences} of {compared:,}"


def _told(console: Console):
    """A progress function that prints each stage of a conversion once, with the time of day."""
    seen: set[str] = set()

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in seen:
            seen.add(stage)
            console.print(f"{time.strftime('%H:%M:%S')} {stage}")

    return progress


def _table(rows: dict[str, Row]) -> Table:
    """Table with a column for each network and a line for each figure, so that it fits a log of 80 columns."""
    measures = (
        "perplexity of the original", "of the network", "more", "same next token", "KL, nats", "spikes a token", "ms a token",
        "ms a token, original", "ms a token from held traces", "ms a cached token, original", "minutes to convert",
        "greedy choices", "differ from held traces", "differ when stepped",
    )  # fmt: skip
    found = Table("SmolLM2-135M-Instruct", *rows)
    for title, *cells in zip(measures, *(row.cells() for row in rows.values()), strict=True):
        found.add_row(title, *cells)
    for row in rows.values():
        found.caption = f"{PROMPT}{row.text}"
    return found


if __name__ == "__main__":
    typer.run(main)
