"""Runs a converted network on samples: on a target, or with its plain segments in another simulator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from deploy.availability import chosen
from deploy.cautions import silent_network
from deploy.progress import Progress
from deploy.results import RunResult
from evaluator.closed_form import ClosedForm
from evaluator.target_run import TargetRun
from evaluator.timeline import timeline
from processes.network import Network
from targets.base import Target


def execute(
    network: Network, inputs: np.ndarray, target: str | None, granularity: str, progress: Progress,
    segments_in: str | None = None, labels: np.ndarray | None = None, class_names: Sequence[str] = (),
    state_sets: int | None = None,
) -> RunResult:  # fmt: skip
    """Run a converted network on samples (N, *input).

    Args:
        target: name of the target; None for Lava where it can run, else the stepper.
        granularity: what a Lava Process holds, a "block" or one "operation".
        segments_in: a simulator that steps the plain segments, with the closed form between; ``target`` is ignored.
        labels: (N,) classes, copied into the result.
        class_names: one for each class, copied into the result.
        state_sets: most samples that a node may hold at once when samples overlap; None to run one after the other.

    Raises:
        DeployError: the target or the simulator is unknown or not available here, or cannot run the network.
    """
    if segments_in is None:
        place, why = chosen(target)
        progress.note([why] if why else [])
        result = _on_target(network, inputs, place, granularity, progress, state_sets)
        name, steps = place.name, timeline(network).period if place.steps else None
    else:
        result = _in_segments(network, inputs, segments_in, progress)
        name, steps = segments_in, None
    outputs = ClosedForm(network, torch.float64).real(torch.from_numpy(result.outputs)).float().numpy()
    spikes = sum(int(np.count_nonzero(v)) for name, v in result.values.items() if network[name].fires)
    return RunResult(
        outputs=outputs[:, 0] if outputs.shape[1] == 1 else outputs,
        labels=labels,
        class_names=tuple(class_names),
        spikes_per_sample=spikes / len(inputs),
        seconds_per_sample=result.seconds_per_sample,
        latency_steps=steps,
        measured=result.measured,
        target=name,
        cautions=silent_network(spikes, (name for name in result.values if network[name].fires)),
    )


def _on_target(
    network: Network, inputs: np.ndarray, target: Target, granularity: str, progress: Progress, state_sets: int | None
) -> TargetRun:
    with progress.stage(f"run on {target.name}", len(inputs)) as advance:
        return target.run(network, inputs, granularity, lambda _: advance(1), state_sets)


def _in_segments(network: Network, inputs: np.ndarray, simulator: str, progress: Progress) -> TargetRun:
    from targets.nir_segments import cut, run_segments
    from targets.simulators import check_simulator

    check_simulator(simulator)
    segments = cut(network, simulator)
    with progress.stage(f"segments in {simulator}", len(segments)) as advance:
        return run_segments(network, inputs, simulator, segments, lambda _: advance(1))
