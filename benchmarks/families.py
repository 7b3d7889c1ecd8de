"""Error of accepted families' outputs by default codes: python -m benchmarks.families [--every 14] [--only bamba ...].

Of the families that ``deploy models --all`` accepted every n-th from ``--first`` on is converted: random weights, T = 40, two
spikes, fixed point, 64 samples to calibrate and others to judge by. What has been measured is kept and not measured again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from converters.pipeline import convert_module, network_input
from converters.walk import Found, LeftOut, Subject, hugging_face, timm_models
from converters.walk.judge import spread
from converters.walk.runs import known, walk
from evaluator.closed_form import ClosedForm

CALIBRATION, JUDGED = 64, 16
"""Numbers of samples to calibrate on and to judge by."""
TIMESTEPS, SPIKES = 40, 2
BAR = 0.03
"""Relative error (Euclidean norms) that nine tenths of the families should not exceed."""
TIMEOUT, MEMORY = 400.0, 12.0
"""Limits for a family: seconds, and GB of memory."""


def drawn(sample: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Draw ``count`` samples like the given ones (N, ...), which are repeated if they are all equal."""
    shape = (count, *sample.shape[1:])
    if len(sample) > 1 and bool((sample == sample[:1]).all()):
        return sample[:1].expand(shape).clone()
    if not sample.is_floating_point():
        return torch.randint(int(sample.min()), int(sample.max()) + 1, shape, generator=generator).to(sample.dtype)
    uniform = bool((sample >= 0).all())
    return torch.rand(shape, generator=generator) if uniform else torch.randn(shape, generator=generator)


def measured(subject: Subject) -> Found:
    """Measure a family; ``deviation`` of the result is its relative error on new samples, else reasons say why not."""
    start, example = time.monotonic(), ""
    try:
        example, (model, samples) = subject.build()
        error = relative_error(spread(model), samples)
        return Found(subject.family, example, "accepted", (), error, round(time.monotonic() - start, 1))
    except LeftOut as reason:
        state, text = "left out", str(reason)
    except Exception as reason:  # a family that fails must not stop the others
        state, text = "failed", f"{type(reason).__name__}: {reason}"
    return Found(subject.family, example, state, (text[:200],), None, round(time.monotonic() - start, 1))


def relative_error(model: torch.nn.Module, samples: Sequence[torch.Tensor]) -> float:
    """Convert the model; relative error of the fixed-point network's outputs on new samples, by Euclidean norms."""
    generator = torch.Generator().manual_seed(1)
    calibration, judged = (
        [drawn(sample, count, generator).numpy() for sample in samples] for count in (CALIBRATION, JUDGED)
    )
    with torch.no_grad():
        rows = zip(*(torch.as_tensor(each) for each in judged), strict=True)
        expected = torch.cat([model(*(each[None] for each in row)).double() for row in rows])
    conversion = convert_module(model, calibration, TIMESTEPS, spikes=SPIKES, input_spikes=SPIKES)
    runner = ClosedForm(conversion.network, torch.float64)
    given: np.ndarray = network_input(conversion.front, judged)
    outputs = torch.cat([runner.real(runner.run(given[i : i + 1])) for i in range(JUDGED)])
    return float((outputs.reshape(expected.shape) - expected).norm() / expected.norm())


def table(found: Sequence[Found]) -> str:
    """Markdown table of the errors, largest first, then failures, headed by the number of families within BAR."""
    done = sorted((one for one in found if one.deviation is not None), key=lambda one: -(one.deviation or 0))
    below = sum((one.deviation or 0) <= BAR for one in done)
    lines = [f"{below} of {len(done)} within {BAR:g}.", "", "| family | relative error |", "|---|---|"]
    lines += [f"| {one.family} | {one.deviation:.2g} |" for one in done]
    lines += [f"| {one.family} | {one.state}: {one.reasons[0]} |" for one in found if one.deviation is None]
    return "\n".join(lines)


def main() -> None:
    """Measure the chosen families, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=14, help="take every n-th accepted family")
    parser.add_argument("--first", type=int, default=0, help="of these, in alphabetical order")
    parser.add_argument("--only", nargs="*", default=[], help="names without library, instead of every n-th")
    parser.add_argument("--walked", type=Path, default=Path("out/coverage.jsonl"), help="of deploy models --all")
    parser.add_argument("--results", type=Path, default=Path("out/families.jsonl"))
    arguments = parser.parse_args()
    seconds = {found.family: found.seconds for found in known(arguments.walked) if found.state == "accepted"}
    chosen = sorted(seconds)[arguments.first :: arguments.every]
    if arguments.only:
        chosen = [family for family in seconds if family.split()[1] in arguments.only]
    subjects = [each for each in (*timm_models.subjects(), *hugging_face.subjects()) if each.family in chosen]
    subjects.sort(key=lambda each: seconds[each.family])  # the quickest first, in case the run is interrupted
    for _ in walk(subjects, arguments.results, 1, TIMEOUT, MEMORY, measured):
        pass
    print(table([found for found in known(arguments.results) if found.family in chosen]))


if __name__ == "__main__":
    main()
