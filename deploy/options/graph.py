"""Options of commands that run a standard NIR graph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from deploy.errors import DeployError
from deploy.options.checks import check_choice, check_input_file, check_number, check_positive
from deploy.options.convert import PRECISIONS
from deploy.options.declare import NIR, option

STEPPINGS = ("euler", "exact")
RESETS = ("v_reset", "subtract", "delayed")
Framework = Literal["snntorch", "norse", "sinabs", "spikingjelly", "rockpool"]


@dataclass(frozen=True)
class GraphOptions:
    """Options of `deploy run` for standard NIR graphs; None takes the value that file or data state, or the default."""

    dt: Annotated[
        float | None, option("Time step, in the unit of the graph's time constants. \\[default: 1e-4]", NIR)
    ] = None
    method: Annotated[
        str | None, option("euler, or exact for inputs constant during a step. \\[default: euler]", NIR)
    ] = None
    reset: Annotated[
        str | None,
        option(
            "What a spike does: v_reset sets the potential to it, as NIR defines it; subtract takes threshold - v_reset off, "
            "delayed a step later.",
            NIR,
        ),
    ] = None
    framework: Annotated[
        Framework | None,
        option(
            "Framework that wrote the file, whose time step, reset and recurrence are taken where NIR leaves them open; other "
            "options go before it.",
            NIR,
            "--from",
        ),
    ] = None
    precision: Annotated[str, option("float, or fixed: Loihi's formats, with a table of the rounding errors.", NIR)] = (
        "float"
    )
    scale: Annotated[
        float | None, option("Fixed point: integer weight of a real 1. \\[default: as fine as fits]", NIR)
    ] = None
    steps: Annotated[
        int | None,
        option("Time steps: the first of inputs that have a time axis; others are held that long.", NIR),
    ] = None
    calib: Annotated[Path | None, option("Fixed point: data that sets the ranges. \\[default: the input]", NIR)] = None

    def check(self) -> None:
        """Raise DeployError for the first option with an invalid value."""
        if self.method is not None:
            check_choice("--method", self.method, STEPPINGS)
        check_choice("--precision", self.precision, PRECISIONS)
        check_number("--dt", self.dt, whole=False)
        if self.dt is not None and not 0 < self.dt < math.inf:  # also refuses NaN
            raise DeployError(
                f"--dt {self.dt}: the time step must be above 0, in the unit of the graph's time constants"
            )
        check_positive("--steps", self.steps)
        if self.precision != "fixed":
            for name, value in (("--scale", self.scale), ("--calib", self.calib)):
                if value is not None:
                    raise DeployError(f"{name} {value}: belongs to fixed point; add --precision fixed, or leave it out")
        check_input_file("--calib", self.calib)
        if self.reset is not None:
            check_choice("--reset", self.reset, RESETS)
        if self.framework is not None:
            check_choice("--from", self.framework, get_args(Framework))
