"""Compares stepped runs with the closed form, every spike, potential and count of clips, on samples of several models.

    python -m benchmarks.exactness
    python -m benchmarks.exactness --subject demo --samples 1000 --float
    python -m benchmarks.exactness --subject demo --samples 100 --spikes 1 --timesteps 40 --target lava-sim --state-sets 2

Models are converted anew for one to three spikes. ``demo``: the bundled vision transformer; ``swin``: the small Swin;
``minilm``: MiniLM's first block, sentences of 64 tokens; ``uniformer``: the UniFormer of examples/fashion_models.py
with random weights, SIT conversion's model; ``sit``: that model converted by the method sit, up to 6 binary digits.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer
from rich.console import Console

from benchmarks import material, minilm, swin_fashion
from converters.pipeline import Variant, convert_module, network_input
from deploy import demo
from deploy.sources import load_model
from evaluator.compare import compare
from processes.batches import slices
from targets import registry

PHASES = Variant()  # conversion by phase codes
EXAMPLES = Path(__file__).parents[1] / "examples"


class Case(NamedTuple):
    """A model, its arguments (N, ...) for calibration and for evaluation, and the variant of its conversion."""

    module: torch.nn.Module
    calibration: list[np.ndarray]
    samples: list[np.ndarray]
    variant: Variant = PHASES


def images(module: torch.nn.Module, samples: int, variant: Variant = PHASES) -> Case:
    """A case of a model for the demo's images, calibrated on 64 of them."""
    return Case(module, [demo.calibration_data()[0][:64]], [demo.evaluation_data()[0][:samples]], variant)


def block(samples: int) -> Case:
    """The case of MiniLM's first block, with the embeddings before it computed on the host."""
    module = load_model(f"hf:{material.minilm()}").module
    del module.get_submodule("model.encoder.layer")[1:]  # type: ignore[attr-defined]
    texts, _ = material.movie_sentences()
    return Case(module, minilm.tokenised(texts[samples : samples + 32]), minilm.tokenised(texts[:samples]))


def uniformer() -> torch.nn.Module:
    """SIT conversion's UniFormer with random weights, since only spikes are compared, not answers."""
    sys.path.insert(0, str(EXAMPLES))
    import fashion_models  # type: ignore[import-not-found]

    torch.manual_seed(0)
    return fashion_models.uniformer().eval()


SUBJECTS: dict[str, Callable[[int], Case]] = {
    "demo": lambda samples: images(demo.load_model(), samples),
    "swin": lambda samples: images(swin_fashion.trained(), samples),
    "minilm": block,
    "uniformer": lambda samples: images(uniformer(), samples),
    "sit": lambda samples: images(uniformer(), samples, Variant(method="sit")),
}


def main(
    subject: Annotated[str, typer.Option(help=f"Of {', '.join(SUBJECTS)}; several with commas.")] = ",".join(SUBJECTS),
    samples: Annotated[int, typer.Option(help="Samples of each.")] = 20,
    spikes: Annotated[str, typer.Option(help="Most spikes of a neuron in a window, each in turn.")] = "1,2,3",
    timesteps: Annotated[int, typer.Option(help="T, steps of a window.")] = 16,
    target: Annotated[str, typer.Option(help="stepper or lava-sim.")] = "stepper",
    state_sets: Annotated[int | None, typer.Option(help="Samples overlap, with so many sets of state.")] = None,
    float_: Annotated[bool, typer.Option("--float", help="In floating point, where ties may differ.")] = False,
) -> None:
    """Convert, run, compare.

    Raises:
        SystemExit: with the first difference, if there is one.
    """
    console = Console(highlight=False, soft_wrap=True)
    console.print("model, spikes, samples; spikes and potentials compared, clips, ties, differ; seconds a sample")
    for name in subject.split(","):
        case = SUBJECTS[name](samples)
        for number in map(int, spikes.split(",")) if name != "sit" else [6]:
            first = stepped(console, name, case, number, timesteps, target, state_sets, not float_)
            if first:
                raise SystemExit(first)


def stepped(
    console: Console,
    name: str,
    case: Case,
    spikes: int,
    timesteps: int,
    target: str,
    state_sets: int | None,
    fixed: bool,
) -> str | None:
    """Convert a model, run and compare it, and print the counts; returns the first difference or None."""
    made = convert_module(
        case.module, case.calibration, timesteps, 2.0 if case.variant.method == "sit" else None,
        spikes=spikes, input_spikes=spikes, fixed=fixed, variant=case.variant,
    )  # fmt: skip
    inputs = network_input(made.front, case.samples)
    run = partial(registry()[target].run, made.network, granularity="block", done=None, state_sets=state_sets)
    counts, first, begin = np.zeros(5, np.int64), None, time.process_time()
    for part in slices(len(inputs), 20 if state_sets is None else len(inputs)):
        found = compare(made.network, inputs[part], run(inputs[part]))
        clips = sum(found.saturations.values())
        counts += [found.compared_spikes, found.compared_potentials, clips, found.ties, found.mismatches]
        first = first or found.first
    seconds = (time.process_time() - begin) / len(inputs)
    console.print(f"{name}, {spikes}, {len(inputs):,}; {', '.join(f'{n:,}' for n in counts)}; {seconds:.3f} s")
    return first


if __name__ == "__main__":
    typer.run(main)
