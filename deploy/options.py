"""What a conversion is asked to do, checked before any work starts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from deploy.errors import DeployError

METHODS = ("spiked-attention", "sit", "rate-coded")
PRECISIONS = ("fixed", "float")
GRANULARITIES = ("block", "operation")
RESIDUALS = ("graded", "fanout")
WINNERS = ("graded", "race")
SOFTMAXES = ("direct", "two-stage", "published")
EXPONENTIALS = ("extended", "published")
ACTIVATIONS = ("schedule", "fitted")
SIT_STEPS = range(4, 17)  # of the fitted tables that come with the package


@dataclass(frozen=True)
class MethodDefaults:
    """Options whose right value depends on the method, where they are left out."""

    timesteps: int
    base: float | Literal["auto"]
    spikes: int
    input_spikes: int


DEFAULTS = {
    "spiked-attention": MethodDefaults(40, "auto", 1, 2),
    "rate-coded": MethodDefaults(40, "auto", 1, 2),
    "sit": MethodDefaults(12, 2.0, 6, 6),  # signed binary digits, of which no more than half are ever needed
}


@dataclass(frozen=True)
class ConvertOptions:
    """Options of `deploy convert`, with the same names and defaults.

    model, weights: see deploy.sources.load_model. calib, evaluation: see deploy.sources.load_data; None means
    the demo's own data, or, with only calib given, a held-out part of it. timesteps: T, steps of a
    window. base: B, the ratio of two neighbouring levels; auto chooses one for each
    layer on the calibration data. spikes: most spikes of a neuron per window, auto for a second one where it
    pays; input_spikes: of those that code the input, if more.
    residual, winner, softmax, exponential, activation: see converters.pipeline.Variant; the last two are of the method
    sit, whose window, base and spikes DEFAULTS tells. blocks: also measure networks of which only softmax, or only the
    first transformer blocks, spike. samples: how many evaluation samples run on the target,
    beside the closed form of all of them. limit: how many evaluation samples to use, None for all.
    granularity: one Lava Process per block or operation. strict: a saturation is an error. force: replace an
    earlier conversion in `out`.
    """

    model: str = "demo"
    weights: Path | str | None = None
    method: str = "spiked-attention"
    timesteps: int = 40
    base: float | Literal["auto"] = "auto"
    spikes: int | Literal["auto"] = 1
    input_spikes: int = 2
    residual: Literal["graded", "fanout"] = "graded"
    winner: Literal["graded", "race"] = "graded"
    softmax: Literal["direct", "two-stage", "published"] = "direct"
    exponential: Literal["extended", "published"] = "extended"
    activation: Literal["schedule", "fitted"] = "schedule"
    blocks: bool = False
    calib: Path | None = None
    evaluation: Path | None = None
    precision: str = "fixed"
    target: str = "lava-sim"
    granularity: str = "block"
    samples: int = 2
    limit: int | None = None
    batch_size: int = 64
    seed: int = 0
    strict: bool = False
    force: bool = False
    out: Path | None = None

    def folder(self) -> Path:
        """Where the results go: `out`, or a folder under out/ named after the model."""
        if self.out is not None:
            return self.out
        name = self.model.rstrip("/").rpartition("/")[2].replace(":", "-")
        return Path("out") / name

    def check(self, targets: Iterable[str]) -> None:
        """Raises DeployError for the first option that cannot be meant; `targets` are the known names."""
        check_choice("--method", self.method, METHODS)
        check_choice("--precision", self.precision, PRECISIONS)
        check_choice("--granularity", self.granularity, GRANULARITIES)
        check_choice("--residual", self.residual, RESIDUALS)
        check_choice("--winner", self.winner, WINNERS)
        check_choice("--softmax", self.softmax, SOFTMAXES)
        check_choice("--exponential", self.exponential, EXPONENTIALS)
        check_choice("--activation", self.activation, ACTIVATIONS)
        check_choice("--target", self.target, targets)
        if self.method == "rate-coded" and self.precision != "float":
            raise DeployError("--method rate-coded is a floating-point baseline; give --precision float")
        if self.timesteps < 2:
            raise DeployError(f"--timesteps {self.timesteps}: a window needs at least 2 steps; give 8 to 64")
        if self.base != "auto" and not 1 < self.base <= 2:  # also refuses NaN
            raise DeployError(
                f"--base {self.base:g}: levels shrink by it at every step, so it must be above 1 and at "
                "most 2; 1.15 suits 40 steps, 1.4 suits 16"
            )
        if self.method == "sit":
            self._check_sit()
        if self.spikes != "auto":
            check_positive("--spikes", self.spikes)
        check_positive("--input-spikes", self.input_spikes)
        check_positive("--samples", self.samples)
        check_positive("--batch-size", self.batch_size)
        if self.limit is not None:
            check_positive("--limit", self.limit)
        if self.calib is not None and self.evaluation is not None and _same(self.calib, self.evaluation):
            raise DeployError(
                f"--calib and --eval are both {self.calib}: accuracy on calibration data flatters; give "
                "different data, or leave --eval out to hold a part of it back"
            )
        if self.evaluation is not None and self.calib is None and self.model != "demo":
            raise DeployError(
                "--eval without --calib: scales are never fitted to evaluation data; give --calib too"
            )

    def _check_sit(self) -> None:
        if self.timesteps not in SIT_STEPS:
            raise DeployError(
                f"--timesteps {self.timesteps}: fitted neurons come with {SIT_STEPS[0]} to {SIT_STEPS[-1]} steps; 12 suits most"
            )
        if self.base != 2:
            raise DeployError(f"--base {self.base}: --method sit sends binary digits; leave --base out, or give 2")
        if self.spikes == "auto":
            raise DeployError("--spikes auto: --method sit sends binary digits; leave --spikes out, or give a number")
        if self.softmax != "direct" or self.winner != "graded":
            raise DeployError("--softmax and --winner belong to --method spiked-attention; --exponential is sit's choice")

    def record(self) -> dict[str, Any]:
        """The options as plain values for report.json; those left out are absent."""
        values = {
            key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()
        }
        return {key: value for key, value in values.items() if value is not None}


def check_choice(option: str, value: str, known: Iterable[str]) -> None:
    """Raises DeployError that lists what is known if `value` is not."""
    names = list(known)
    if value not in names:
        near = difflib.get_close_matches(value, names, n=1)
        hint = f"did you mean {near[0]}? known are" if near else "known are"
        raise DeployError(f"{option} {value}: unknown; {hint} {', '.join(names)}")


def check_positive(option: str, value: int) -> None:
    """Raises DeployError if `value` is below 1."""
    if value < 1:
        raise DeployError(f"{option} {value}: at least 1 is needed")


def _same(first: Path, second: Path) -> bool:
    return first.expanduser().resolve() == second.expanduser().resolve()
