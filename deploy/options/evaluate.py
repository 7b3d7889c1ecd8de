"""Options of `deploy evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from deploy.errors import DeployError
from deploy.options.checks import check_choice, check_positive, overlapping
from deploy.options.convert import GRANULARITIES
from deploy.options.declare import MODEL_ANEW, OVERLAP, STATE_SETS, TRUST, option
from deploy.options.devices import DEVICE, check_closed_form, check_device
from targets.base import Target


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of `deploy evaluate`; the help text of each says what it means.

    Floating-point results may depend on ``batch_size`` in their last bits, and not on the number of workers.
    """

    folder: Annotated[Path, typer.Argument(help="A folder that convert wrote.")]
    data: Annotated[Path | None, option("Data, as for convert. Left out: the conversion's evaluation data.")] = None
    labels: Annotated[Path | None, option("JSON file that says what the labels of --data mean, as for convert.")] = None
    target: Annotated[str, option("Where to run it; `deploy targets` lists them.")] = "closed-form"
    granularity: Annotated[str, option(f"Lava Processes: one per {' or '.join(GRANULARITIES)}.")] = "block"
    overlap: Annotated[bool, option(OVERLAP, None, "--overlap")] = False
    state_sets: Annotated[int | None, option(STATE_SETS)] = None
    limit: Annotated[int | None, option("Evaluate at most so many samples.")] = None
    batch_size: Annotated[
        int | None, option("Samples per batch. \\[default: 64; 4 on a target that steps, 16 if they overlap]")
    ] = None
    stride: Annotated[
        int | None,
        option("Language models: tokens from one window of the text to the next. \\[default: half a window]"),
    ] = None
    device: Annotated[str, option(DEVICE)] = "cpu"
    workers: Annotated[
        int | None, option("Worker processes on this machine. \\[default: one per core; 1 for a CUDA device]")
    ] = None
    cluster: Annotated[
        str | None,
        option("Address of a Dask scheduler, tcp://HOST:8786, whose workers do it; they have to see FOLDER."),
    ] = None
    resume: Annotated[bool, option("Go on with what an interrupted evaluation has done.", None, "--resume")] = False
    force: Annotated[bool, option("Throw away what an interrupted evaluation has done.", None, "--force")] = False

    trust: Annotated[bool, option(TRUST, None, "--trust")] = False
    model: Annotated[str | None, option(MODEL_ANEW)] = None

    def check(self, targets: Mapping[str, Target]) -> None:
        """Raise DeployError for the first option with an invalid value; ``targets``: the known targets by name."""
        check_choice("--target", self.target, targets)
        check_choice("--granularity", self.granularity, GRANULARITIES)
        if self.overlap:
            targets[self.target].check_overlap()
        overlapping(self.overlap, self.state_sets)
        check_positive("--limit", self.limit)
        check_positive("--batch-size", self.batch_size)
        check_positive("--workers", self.workers)
        check_positive("--stride", self.stride)
        if self.cluster is None:  # a cluster's workers have devices of their own
            check_device(self.device)
        check_closed_form(self.device, self.target)
        if self.cluster is not None and self.workers is not None:
            raise DeployError("--workers and --cluster: a cluster has its own workers; give one of the two")
        if self.resume and self.force:
            raise DeployError(
                "--resume and --force: one keeps what was done, the other throws it away; give one of the two"
            )
