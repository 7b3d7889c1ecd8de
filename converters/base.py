"""The base of the phase code: fine levels near the scale, or a wide range below it, for a given number of steps."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch

from converters.calibrate import calibrate
from processes.network import Network
from processes.phase_code import PhaseCode
from targets.closed_form import ClosedForm

CANDIDATES = (1.08, 1.12, 1.15, 1.18, 1.22, 1.26, 1.3, 1.35, 1.4, 1.5, 1.6, 1.8)
SAMPLES = 64  # of the calibration set, on which candidates are compared


def choose_base(
    ideal: Network,
    samples: np.ndarray,
    steps: int,
    spikes: int,
    input_spikes: int,
    batch: int,
    progress: Callable[[int, int], None] | None = None,
) -> float:
    """The candidate whose spiking outputs are closest to the trained network's on calibration samples.

    Args:
        ideal: from :func:`converters.lowering.lower`; left as it is.
        samples: calibration inputs (N, *input).
        steps: T.
        spikes, input_spikes: most spikes of a neuron in a window, and of one that codes the input.
        batch: samples evaluated together.
        progress: called with (candidates tried, candidates in all).
    """
    few = samples[:SAMPLES]
    parts = [few[start : start + batch] for start in range(0, len(few), batch)]
    runner = ClosedForm(ideal, torch.float32, ideal=True)
    wanted = [runner.run(part) for part in parts]
    errors: dict[float, float] = {}
    for tried, base in enumerate(CANDIDATES, 1):
        code = PhaseCode(base, steps)
        tried_out = calibrate(copy.deepcopy(ideal), few, code, batch, spikes=spikes, input_spikes=input_spikes)
        spiking = ClosedForm(tried_out)
        differences = [spiking.run(part) - target for part, target in zip(parts, wanted, strict=True)]
        errors[base] = sum(float(d.square().sum()) for d in differences)
        if progress is not None:
            progress(tried, len(CANDIDATES))
    return min(errors, key=errors.__getitem__)
