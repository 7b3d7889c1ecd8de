"""Judging one model: it is captured and lowered, and the lowered network's outputs are compared with the model's."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Sequence

import torch

from converters.capture import capture
from converters.front_end import split
from converters.lowering import UnsupportedModel, lower
from converters.lowering.equality import EQUAL
from converters.walk import Found, LeftOut, Model, Subject
from evaluator.closed_form import ClosedForm
from processes.errors import DeployError

LONGEST = 300
"""Most characters that are kept of a reason."""


def judge(subject: Subject) -> Found:
    """Build a subject's model, lower it and compare the outputs; every exception is caught and becomes a state."""
    start, example = time.monotonic(), ""

    def found(state: str, *reasons: str, deviation: float | None = None) -> Found:
        told = tuple(" ".join(reason.split())[:LONGEST] for reason in reasons)
        return Found(subject.family, example, state, told, deviation, round(time.monotonic() - start, 1))  # type: ignore[arg-type]

    try:
        example, model = subject.build()
        deviation = deviation_of(model)
    except MemoryError:
        return found("left out", "it takes more memory than the limit")
    except LeftOut as reason:
        return found("left out", str(reason))
    except UnsupportedModel as refused:
        counts = Counter(f"`{r.operation}`: {r.reason}" for r in refused.refusals)
        return found("refused", *(f"{text} ({n} times)" if n > 1 else text for text, n in counts.items()))
    except DeployError as refused:
        return found("refused", str(refused))
    except Exception as error:  # the walk is there to find what nobody foresaw
        return found("failed", f"{type(error).__name__}: {error}")
    if not deviation <= EQUAL:
        return found("failed", f"accepted, and deviates by {deviation:.2g}")
    return found("accepted", deviation=deviation)


def deviation_of(built: Model) -> float:
    """Largest deviation of the lowered network's outputs from the model's in float64, over the largest output.

    The model's weights are spread first, in place (:func:`spread`).

    Raises:
        DeployError: the model cannot be captured or lowered.
        LeftOut: the model's own outputs are not finite.
    """
    model, samples = built
    model = spread(model)
    captured = capture(model, tuple(each[:1] for each in samples))
    front = split(captured).front
    entering = samples[0].numpy() if front is None else front(*samples)
    runner = ClosedForm(lower(captured, (1, *entering.shape[1:])), torch.float64, ideal=True)
    outputs = runner.real(runner.run(entering))
    expected = torch.cat([_expected(model, [each[None] for each in sample]) for sample in zip(*samples, strict=True)])
    if not bool(torch.isfinite(expected).all()):
        raise LeftOut("with random weights it gives NaN or infinity itself")
    return float((outputs.reshape(expected.shape) - expected).abs().max() / expected.abs().max())


def spread(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Add noise to a model's parameters and running statistics in place, so that none is 0 or 1 by initialisation.

    The noise of a weight has deviation 0.5 / sqrt(inputs), so that deep networks neither vanish nor explode. Returns
    the model, in evaluation mode.
    """
    generator = torch.Generator().manual_seed(seed)

    def noise(like: torch.Tensor) -> torch.Tensor:
        return torch.randn(like.shape, generator=generator).to(like.dtype)

    for parameter in model.parameters():
        inputs = parameter[0].numel() if parameter.ndim > 1 else 25
        parameter.data += noise(parameter) * 0.5 / inputs**0.5
    for module in model.modules():
        mean, variance = getattr(module, "running_mean", None), getattr(module, "running_var", None)
        if isinstance(mean, torch.Tensor) and isinstance(variance, torch.Tensor):
            mean += 0.1 * noise(mean)
            variance *= (0.2 * noise(variance)).exp()
    return model.eval()


@torch.no_grad()
def _expected(model: torch.nn.Module, sample: Sequence[torch.Tensor]) -> torch.Tensor:
    """The model's output in float64, so that its own rounding is no deviation; in float32 if it fails in float64."""
    try:
        exact = [each.double() if each.is_floating_point() else each for each in sample]
        return copy.deepcopy(model).double()(*exact).double()
    except RuntimeError:
        return model(*sample).double()
