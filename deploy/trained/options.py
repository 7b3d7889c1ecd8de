"""Options of `deploy trained`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from deploy.errors import DeployError
from deploy.options import check_choice, check_positive
from deploy.options.declare import MODELS, RUNS, option

FORMS = ("static", "sequence", "batch", "step")
SPLITS = ("time", "events")


@dataclass(frozen=True, kw_only=True)
class TrainedOptions:
    """Options of `deploy trained`: a spiking model, its data, and how it is run; help texts say what each means."""

    model: Annotated[str, option("path/file.py:callable, which returns the spiking module.", MODELS)]
    data: Annotated[
        Path,
        option(
            "An .npz: x (samples, ...), images or frames (samples, T, ...), and labels in y if there are any. Or events: a "
            "file (.npz with t, x, y, p; .h5; .aedat4), or a folder of them for each class.",
            MODELS,
        ),
    ]
    weights: Annotated[
        Path | None, option("A state dict: .safetensors, .pt or .pth, of the module's own key names.", MODELS)
    ] = None
    calib: Annotated[
        Path | None,
        option(
            "Other data of the kind, which sets the units of fixed point; else the first samples of the data.", MODELS
        ),
    ] = None
    frames: Annotated[int, option("Time steps T.", RUNS)] = 4
    form: Annotated[
        str,
        option(
            "What its forward takes: static, an image that it shows for T steps itself; sequence, all frames "
            "(T, batch, ...); batch, all of them (batch, T, ...); step, one frame after the other.",
            RUNS,
        ),
    ] = "static"
    split: Annotated[
        str, option("Bins of a recording's events: time, of equal length; events, of equal numbers of events.", RUNS)
    ] = "time"
    sensor: Annotated[str, option("WIDTHxHEIGHT of the sensor that recorded events.", RUNS)] = "128x128"
    synapses: Annotated[
        int, option("Synapses of 8 bits for each weight in fixed point: 1, or 2, of which one holds the rest.", RUNS)
    ] = 1
    samples: Annotated[int, option("How many samples to run.", RUNS)] = 200
    lava_samples: Annotated[
        int, option("How many of them to run on Lava in fixed point as well; 0 leaves Lava out.", RUNS)
    ] = 2
    out: Annotated[Path, option("Folder to write.", RUNS, "--out", "-o")] = Path("out/trained")
    force: Annotated[bool, option("Replace what is there.", RUNS, "--force")] = False

    def check(self) -> None:
        """Raise DeployError for the first option whose value is not allowed; no file is read."""
        check_positive("--frames", self.frames)
        check_positive("--samples", self.samples)
        check_choice("--form", self.form, FORMS)
        check_choice("--split", self.split, SPLITS)
        if self.synapses not in (1, 2):
            raise DeployError(f"--synapses {self.synapses}: give 1 or 2")
        if self.lava_samples < 0:
            raise DeployError(f"--lava-samples {self.lava_samples}: a number of samples, or 0")
        self.pixels()

    def pixels(self) -> tuple[int, int]:
        """``sensor`` as (width, height) in pixels; raises DeployError if it is not written as WIDTHxHEIGHT."""
        found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", self.sensor)
        if found is None:
            raise DeployError(f"--sensor {self.sensor}: give its width and height in pixels, as 128x128")
        return int(found[1]), int(found[2])
