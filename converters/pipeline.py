"""From a trained module to a spiking network: capture, lower, calibrate, discretise."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from converters.calibrate import calibrate
from converters.capture import capture
from converters.discretise import discretise
from converters.lowering import lower
from processes.chips import LOIHI2, Chip
from processes.network import Network
from processes.phase_code import PhaseCode

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Variant:
    """Choices between ways of doing the same.

    Attributes:
        residual: streams handed on as one "graded" spike per neuron and block, or by every branch's spikes ("fanout").
        winner: WOSS finds it by "graded" spikes or by a "race" of binary ones.
        softmax: "direct"; "two-stage" codes the logits before they race; "published" also sharpens them by B.
    """

    residual: Literal["graded", "fanout"] = "graded"
    winner: Literal["graded", "race"] = "graded"
    softmax: Literal["direct", "two-stage", "published"] = "direct"


@dataclass
class Conversion:
    """The stages of one conversion, each a whole network.

    Attributes:
        ideal: lowered, in real units, without codes: what the trained network computes.
        calibrated: spiking, floating point.
        fixed: spiking, integers; None if not asked for.
    """

    ideal: Network
    calibrated: Network
    fixed: Network | None

    @property
    def network(self) -> Network:
        """The one that was asked for."""
        return self.calibrated if self.fixed is None else self.fixed


def convert_module(
    module: torch.nn.Module,
    calibration: np.ndarray,
    code: PhaseCode,
    *,
    fixed: bool = True,
    variant: Variant = Variant(),  # noqa: B008 - frozen
    chip: Chip = LOIHI2,
    batch: int = 32,
    progress: Progress | None = None,
) -> Conversion:
    """Convert a module with one input.

    Args:
        module: in evaluation mode; it is not changed.
        calibration: inputs (N, *input) that set the scales; never evaluation data.
        code: base and window.
        fixed: also discretise.
        variant: choices between ways of doing the same.
        chip: bit widths of the fixed-point network.
        batch: calibration samples evaluated together.
        progress: called with (stage, samples done, samples in all).

    Raises:
        UnsupportedModel: with every operation that cannot be converted, before anything is.
    """
    example = torch.as_tensor(calibration[:1])
    recode = variant.softmax != "direct"
    ideal = lower(capture(module, (example,)), tuple(example.shape), variant.residual == "fanout", recode)

    def report(stage: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(stage, done, total)

    calibrated = calibrate(
        copy.deepcopy(ideal), calibration, code, batch, report("calibrate"),
        race=variant.winner == "race", sharpen=variant.softmax == "published",
    )  # fmt: skip
    integers = discretise(calibrated, calibration, chip, batch, report("discretise")) if fixed else None
    return Conversion(ideal, calibrated, integers)
