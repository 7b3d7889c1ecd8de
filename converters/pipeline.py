"""From a trained module to a spiking network: capture, lower, calibrate, discretise."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

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
    fanout: bool = False,
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
        fanout: residual streams by spikes to every reader instead of graded spikes.
        chip: bit widths of the fixed-point network.
        batch: calibration samples evaluated together.
        progress: called with (stage, samples done, samples in all).

    Raises:
        UnsupportedModel: with every operation that cannot be converted, before anything is.
    """
    example = torch.as_tensor(calibration[:1])
    ideal = lower(capture(module, (example,)), tuple(example.shape), fanout)

    def report(stage: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(stage, done, total)

    calibrated = calibrate(copy.deepcopy(ideal), calibration, code, batch, report("calibrate"))
    integers = discretise(calibrated, calibration, chip, batch, report("discretise")) if fixed else None
    return Conversion(ideal, calibrated, integers)
