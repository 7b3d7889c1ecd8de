"""Which families of models convert: a table made by converting a small random-weight variant of each.

Nothing here decides what converts. Each family's model is built as its users would, only smaller, converted as they would,
and run: what the table says is what happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from converters.capture import capture
from converters.families import FAMILIES, SAMPLES, Arguments, Build, Family
from converters.front_end import FrontEnd, split
from converters.lowering import UnsupportedModel, lower
from converters.lowering.equality import EQUAL
from converters.pipeline import Variant, convert_module, network_input
from evaluator.closed_form import ClosedForm
from processes.errors import DeployError
from processes.network import Network

COLUMNS = ("floating point", "fixed point", "SIT")


@dataclass(frozen=True)
class Row:
    """One row of the table: what became of one family.

    Attributes:
        family: its name.
        example: the model that the small variant stands for.
        state: "spiking" if every operation has a spiking form and, without codes, gives the model's outputs; "refused"
            if the model cannot be converted; "failed" if the lowered network's outputs are not the model's.
        reason: what stays on the host; or why the family was refused, or how far its outputs deviate.
        errors: relative errors of the outputs on samples that were not calibrated on, by ``COLUMNS``: one-spike codes
            in 40 steps, a base for each layer, in floating and in fixed point; the method SIT in 12 steps, fixed point.
            Weights are random and few samples calibrate, so errors show that a family runs, not how accurate a model
            is.
    """

    family: str
    example: str
    state: str
    reason: str
    errors: dict[str, float] = field(default_factory=dict)


def ideal_error(family: Family, seed: int = 0) -> tuple[Network, float, FrontEnd | None]:
    """Lower a family's small variant, and compare the outputs of both without codes, in float64.

    Returns:
        The lowered network, its largest deviation from the model over the largest output, and the host's part or None.

    Raises:
        UnsupportedModel: with every operation that cannot be converted.
        DeployError: the model cannot be captured or split.
    """
    model, arguments = built(family, seed)
    captured = capture(model, tuple(a[:1] for a in arguments))
    front = split(captured).front
    samples = arguments[0].numpy() if front is None else front(*arguments)
    network = lower(captured, (1, *samples.shape[1:]))
    runner = ClosedForm(network, torch.float64, ideal=True)
    outputs = runner.real(runner.run(samples[:2]))
    with torch.no_grad():
        expected = model(*(a[:2] for a in arguments)).double()
    return network, float((outputs.reshape(expected.shape) - expected).abs().max() / expected.abs().max()), front


def built(family: Family, seed: int = 0) -> tuple[torch.nn.Module, Arguments]:
    """A family's small variant with random weights, in evaluation mode, and its samples."""
    return spread(family.build, seed)


def spread(build: Build, seed: int = 0) -> tuple[torch.nn.Module, Arguments]:
    """The model and samples that ``build`` makes, with noise of 0.05 added to every parameter, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, arguments = build()
        for parameter in model.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    return model.eval(), arguments


def coverage(families: tuple[Family, ...] = FAMILIES) -> Iterator[Row]:
    """Convert every family's small variant, and yield one row for each as soon as it is done."""
    for family in families:
        try:
            _, error, front = ideal_error(family)
            errors = spiking_errors(family)
        except UnsupportedModel as refused:
            counts = Counter(f"{r.operation}: {r.reason}" for r in refused.refusals)
            yield Row(family.name, family.example, "refused", "; ".join(counts))
            continue
        except DeployError as refused:
            yield Row(family.name, family.example, "refused", str(refused))
            continue
        wrong = not np.isfinite(error) or error > EQUAL
        host = "" if front is None else front.what
        found = f"without codes it deviates by {error:.2g} of the largest output" if wrong else host
        yield Row(family.name, family.example, "failed" if wrong else "spiking", found, errors)


def spiking_errors(family: Family, seed: int = 0) -> dict[str, float]:
    """Relative errors of a family's outputs by ``COLUMNS``: Euclidean norm of the difference over that of the outputs.

    The first half of the family's samples calibrates, the second half is measured.
    """
    model, arguments = built(family, seed)
    half = SAMPLES // 2
    calibration, held_out = ([a.numpy()[part] for a in arguments] for part in (slice(half), slice(half, None)))
    with torch.no_grad():
        expected = model(*(a[half:] for a in arguments)).double()
    phase = convert_module(model, calibration, 40, input_spikes=2)
    sit = convert_module(model, calibration, 12, 2.0, spikes=6, input_spikes=6, variant=Variant(method="sit"))

    def error(network: Network) -> float:
        runner = ClosedForm(network, torch.float64)
        outputs = runner.real(runner.run(network_input(phase.front, held_out)))
        return float((outputs.reshape(expected.shape) - expected).norm() / expected.norm())

    return dict(zip(COLUMNS, (error(n) for n in (phase.calibrated, phase.network, sit.network)), strict=True))
