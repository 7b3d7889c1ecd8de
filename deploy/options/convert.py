"""Options of `deploy convert`, checked before any work starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from deploy.errors import DeployError
from deploy.options.budget import Budget, read_budget
from deploy.options.checks import check_choice, check_input_file, check_number, check_positive, check_seed, same_file
from deploy.options.config import image_size, model_arguments
from deploy.options.declare import CODE, MODELS, RUNS, option, read_base, read_spikes, read_timesteps
from deploy.options.devices import DEVICE, check_device
from deploy.options.overrides import LONGEST, read_overrides

Method = Literal["spiked-attention", "sit", "rate-coded", "qcfs", "snm", "mst", "fs"]
Precision = Literal["fixed", "float"]
Granularity = Literal["block", "operation"]
Residual = Literal["graded", "fanout"]
Winner = Literal["graded", "race"]
Softmax = Literal["direct", "two-stage", "published"]
Exponential = Literal["extended", "published"]
Activation = Literal["schedule", "fitted"]
Cheapest = Literal["energy", "latency"]
METHODS, PRECISIONS, GRANULARITIES = get_args(Method), get_args(Precision), get_args(Granularity)
FLOATING = ("rate-coded", "qcfs", "snm", "mst")
"""Methods that are baselines in floating point only; their networks are lowered with their thresholds."""
LONGEST_FLOATING = 4096
"""Largest T of the methods in ``FLOATING``: rates resolve 1 / T, whereas levels of other codes shrink geometrically."""
MOST_SPIKES = 3
SIT_STEPS = {"published": range(4, 17), "extended": range(7, 17)}  # K of the shipped tables


class Code(NamedTuple):
    """A spike code: T, B, most spikes of a neuron in a window, and most spikes of a neuron that codes the input."""

    timesteps: int | Literal["auto"]
    base: float | Literal["auto"]
    spikes: int | Literal["auto"]
    input_spikes: int


USUAL = {
    "spiked-attention": Code(40, "auto", 1, 2),
    "rate-coded": Code(40, "auto", 1, 2),
    "qcfs": Code(32, "auto", 1, 2),
    "snm": Code(32, "auto", 1, 2),
    "mst": Code(32, "auto", 1, 2),
    "fs": Code(16, "auto", 1, 2),
    "sit": Code(12, 2.0, 6, 6),  # signed binary digits, at most half of which are non-zero
}


@dataclass(frozen=True)
class ConvertOptions:
    """Options of `deploy convert`; the help text of each says what it means.

    Options of the spike code are None for the method's usual value; ``code`` has the values in force. ``target`` is
    None if :func:`deploy.availability.chosen` is to select what is available. ``residual``, ``winner``, ``softmax``,
    ``exponential`` and ``activation`` together become a :class:`converters.pipeline.Variant`.
    """

    model: Annotated[
        str, option("demo, timm:NAME, hf:NAME_OR_DIR, or path/file.py:callable that returns an nn.Module.", MODELS)
    ] = "demo"
    weights: Annotated[
        str | Path | None,
        option("Weights file: .safetensors, or a PyTorch state dict. `random` initialises from --seed.", MODELS),
    ] = None
    model_args: Annotated[
        str | None,
        option(
            "Arguments of the model, as img_size=64,num_classes=10: of timm.create_model, of a transformers configuration "
            "(also revision and subfolder), or of the callable in a Python file.",
            MODELS,
        ),
    ] = None
    image_size: Annotated[
        str | None,
        option(
            "Size of the images that a Python file's model takes, as 64 or 1x28x28, so that an image folder can be its data.",
            MODELS,
        ),
    ] = None
    calib: Annotated[Path | None, option("Data that sets the scales; never the evaluation data.", MODELS)] = None
    evaluation: Annotated[
        Path | None,
        option("Data that accuracy is measured on. Left out: a fifth of --calib, held back.", MODELS, "--eval"),
    ] = None
    calib_limit: Annotated[
        int | None,
        option(
            "Calibrate on at most so many samples, drawn at random; of image folders as many of each class. \\[default: 256 of "
            "image folders, else all]",
            MODELS,
        ),
    ] = None
    labels: Annotated[
        Path | None,
        option('JSON file that says what labels mean, {"cat": 0, ...}; else the model\'s own names do.', MODELS),
    ] = None
    tokens: Annotated[
        int | None,
        option("Tokens of a window that plain text (.txt) is cut into, for language models. \\[default: 128]", MODELS),
    ] = None
    limit: Annotated[int | None, option("Evaluate at most so many samples.", MODELS)] = None
    method: Annotated[
        Method, option("Conversion method; rate-coded, qcfs, snm, mst and fs are baselines (docs/methods.md).", CODE)
    ] = "spiked-attention"
    timesteps: Annotated[
        int | Literal["auto"] | None,
        option(
            "T, time steps of a window; more are finer and slower. `auto` chooses one for each layer, within --latency. "
            "\\[default: 40; sit 12, of 7 to 16; baselines 16 to 40]",
            CODE,
            parser=read_timesteps,
        ),
    ] = None
    latency: Annotated[
        int | None,
        option(
            "With --timesteps auto: most time steps from a sample's input to its answer, all layers together. "
            "\\[default: what --timesteps 16 takes]",
            CODE,
        ),
    ] = None
    base: Annotated[
        float | Literal["auto"] | None,
        option(
            "B in (1, 2], ratio of neighbouring levels: 1.15 suits T = 40, 1.3 suits T = 16. `auto` chooses one for each "
            "layer on calibration data. \\[default: auto; sit 2]",
            CODE,
            parser=read_base,
        ),
    ] = None
    spikes: Annotated[
        int | Literal["auto"] | None,
        option(
            "Most spikes of a neuron in a window: 1, 2 or 3; `auto` adds a second one where it pays most, and with --timesteps "
            "auto chooses 1 to 3 for each layer, no more in all than 2 for every value. \\[default: 1; sit 6]",
            CODE,
            parser=read_spikes,
        ),
    ] = None
    input_spikes: Annotated[
        int | None,
        option(
            "The same for the neurons that code the input: few neurons, whose error reaches everything. "
            "\\[default: 2; sit 6]",
            CODE,
        ),
    ] = None
    budget: Annotated[
        str | float | None,
        option(
            "What may be lost: percentage points of accuracy (0.5), or the least cosine of outputs (cosine=0.997). Of "
            "--timesteps, --spikes and --base, those that are left out become the cheapest that stay within it on a held-back "
            "half of the calibration data.",
            CODE,
        ),
    ] = None
    overrides: Annotated[
        Mapping[str, Mapping[str, float | int]] | str | None,
        option(
            "Base, spikes and timesteps of single layers by pattern of their names, as '{\"blocks.*.mlp.*\": {spikes: 2}}'; of "
            "patterns that match the same layer the later goes first. Best kept in a --config file.",
            CODE,
            parser=read_overrides,
        ),
    ] = None
    cheapest: Annotated[
        Cheapest | None,
        option(
            "What --budget makes least; energy is that of 45 nm, integers, nothing left out. \\[default: energy]", CODE
        ),
    ] = None
    residual: Annotated[
        Residual,
        option("Residual streams: one graded spike per neuron and block, or every branch's spikes fanned out.", CODE),
    ] = "graded"
    winner: Annotated[
        Winner,
        option("How softmax finds a row's largest logit: graded spikes, or a race of binary ones (more steps).", CODE),
    ] = "graded"
    softmax: Annotated[
        Softmax, option("two-stage codes the logits before they race; published also sharpens them by B.", CODE)
    ] = "direct"
    exponential: Annotated[
        Exponential,
        option(
            "sit: SI-exp behind each row's largest, over any range (extended), or fitted on \\[-1, 1] (published), for "
            "models trained with a Sigmoid before softmax.",
            CODE,
        ),
    ] = "extended"
    activation: Annotated[
        Activation,
        option(
            "sit: GELU and SiLU by threshold schedules (schedule) or by fitted neurons as published (fitted).", CODE
        ),
    ] = "schedule"
    mask_rate: Annotated[
        float | None, option("mst: share of spikes that are masked at random, from --seed. \\[default: 0.25]", CODE)
    ] = None
    precision: Annotated[Precision, option("Arithmetic of the network.", CODE)] = "fixed"
    strict: Annotated[bool, option("Stop at the first saturated potential.", CODE, "--strict")] = False
    target: Annotated[
        str | None,
        option(
            "Where to run it; `deploy targets` lists them. \\[default: lava-sim, or stepper where Lava cannot run]",
            RUNS,
        ),
    ] = None
    samples: Annotated[
        int, option("Evaluation samples to step through on the target; the closed form runs all of them.", RUNS)
    ] = 2
    blocks: Annotated[
        bool,
        option(
            "Also measure accuracy with softmax alone, then 1, 2, ... transformer blocks spiking.", RUNS, "--blocks"
        ),
    ] = False
    granularity: Annotated[Granularity, option("What a Lava Process holds.", RUNS)] = "block"
    batch_size: Annotated[int, option("Samples per batch of the closed form.", RUNS)] = 64
    device: Annotated[str, option(DEVICE, RUNS)] = "cpu"
    seed: Annotated[int, option("Seed of whatever is random.", RUNS)] = 0
    force: Annotated[bool, option("Replace an earlier conversion in the folder.", RUNS, "--force")] = False
    out: Annotated[Path | None, option("Folder for the results. \\[default: out/MODEL]", RUNS, "--out", "-o")] = None

    @property
    def code(self) -> Code:
        """The spike code in force: given values, and the method's usual ones where none were given."""
        usual = USUAL[self.method]
        return Code(
            usual.timesteps if self.timesteps is None else self.timesteps,
            usual.base if self.base is None else self.base,
            usual.spikes if self.spikes is None else self.spikes,
            usual.input_spikes if self.input_spikes is None else self.input_spikes,
        )

    @property
    def loss(self) -> Budget | None:
        """``budget`` parsed, None without it; raises DeployError if it is invalid."""
        return None if self.budget is None else read_budget(self.budget)

    @property
    def by_layer(self) -> dict[str, dict[str, Any]] | None:
        """``overrides`` parsed, None without them; raises DeployError if they are invalid."""
        return None if self.overrides is None else read_overrides(self.overrides)

    def in_force(self) -> ConvertOptions:
        """A copy of the options in which those of the spike code that were left out have the method's usual values."""
        return replace(self, **self.code._asdict())

    @property
    def label_map(self) -> dict[str, int | str] | None:
        """Content of the file ``labels``, None without it; raises DeployError if the file is invalid."""
        from deploy.sources.classes import read_labels

        return None if self.labels is None else read_labels(self.labels)

    def folder(self) -> Path:
        """Folder of the results: ``out``, or a folder under out/ named after the model."""
        if self.out is not None:
            return self.out
        name = self.model.rstrip("/").rpartition("/")[2].replace(":", "-")
        return Path("out") / name

    def check(self, targets: Iterable[str]) -> None:
        """Raise DeployError for the first option with an invalid value; ``targets``: names of the known targets."""
        if not self.model.strip():
            raise DeployError("--model: is empty; give demo, timm:NAME, hf:NAME_OR_DIR or path/file.py:callable")
        model_arguments(self.model_args)
        image_size(self.image_size)
        for name, kind in (
            ("method", Method), ("precision", Precision), ("granularity", Granularity), ("residual", Residual),
            ("winner", Winner), ("softmax", Softmax), ("exponential", Exponential), ("activation", Activation),
        ):  # fmt: skip
            check_choice(f"--{name}", getattr(self, name), get_args(kind))
        if self.target is not None:
            check_choice("--target", self.target, targets)
        if self.method in FLOATING and self.precision != "float":
            raise DeployError(f"--method {self.method} is a floating-point baseline; give --precision float")
        if self.method in FLOATING and (self.residual, self.winner, self.softmax) != ("graded", "graded", "direct"):
            raise DeployError(
                "--residual, --winner and --softmax are variants of spiked-attention; leave them out with "
                f"--method {self.method}"
            )
        check_number("--mask-rate", self.mask_rate, whole=False)
        if self.mask_rate is not None and self.method != "mst":
            raise DeployError(
                f"--mask-rate {self.mask_rate:g}: belongs to --method mst; leave it out, or take that method"
            )
        if self.mask_rate is not None and not 0 <= self.mask_rate < 1:
            raise DeployError(f"--mask-rate {self.mask_rate:g}: a share of spikes is at least 0 and below 1; give 0.25")
        for name, value, usual in (
            ("exponential", self.exponential, "extended"), ("activation", self.activation, "schedule"),
        ):  # fmt: skip
            if value != usual and self.method != "sit":
                raise DeployError(f"--{name} {value}: belongs to --method sit; leave it out, or take that method")
        self._check_code()
        budget = self.loss  # raises if the budget is invalid
        if self.by_layer is not None and self.method != "spiked-attention":
            raise DeployError(
                f"overrides: --method {self.method} has one code for all layers; leave them out, or take spiked-attention"
            )
        if self.cheapest is not None:
            check_choice("--cheapest", self.cheapest, get_args(Cheapest))
            if budget is None:
                raise DeployError(f"--cheapest {self.cheapest}: chooses within a --budget; give one, as --budget 0.5")
        check_positive("--samples", self.samples)
        check_positive("--batch-size", self.batch_size)
        check_positive("--limit", self.limit)
        check_positive("--calib-limit", self.calib_limit)
        check_positive("--tokens", self.tokens)
        check_seed(self.seed)
        check_device(self.device)
        if self.calib is not None and self.evaluation is not None and same_file(self.calib, self.evaluation):
            raise DeployError(
                f"--calib and --eval are both {self.calib}: accuracy on calibration data flatters; give "
                "different data, or leave --eval out to hold a part of it back"
            )
        if self.evaluation is not None and self.calib is None and self.model != "demo":
            raise DeployError("--eval without --calib: scales are never fitted to evaluation data; give --calib too")

    def check_paths(self) -> None:
        """Raise DeployError for the first path of --calib, --eval and --labels that does not exist."""
        for name, path in (("--calib", self.calib), ("--eval", self.evaluation), ("--labels", self.labels)):
            check_input_file(name, path)

    def _check_code(self) -> None:
        steps, base, spikes, input_spikes = self.code
        if steps == "auto":
            self._check_windows()
        else:
            self._check_steps(steps)
        if base != "auto":
            check_number("--base", base, whole=False)
        if base != "auto" and not 1 < base <= 2:  # also refuses NaN
            raise DeployError(
                f"--base {base:g}: levels shrink by it at every step, so it must be above 1 and at most 2; 1.15 suits "
                "40 steps, 1.4 suits 16"
            )
        if spikes != "auto":
            check_positive("--spikes", spikes)
            self._check_spikes("--spikes", spikes)
        check_positive("--input-spikes", input_spikes)
        self._check_spikes("--input-spikes", input_spikes)
        check_positive("--latency", self.latency)
        if self.latency is not None and steps != "auto":
            raise DeployError(f"--latency {self.latency}: limits what --timesteps auto chooses; give that too")
        if self.method != "sit":
            return
        known = SIT_STEPS[self.exponential]
        if steps not in known:
            kind = f"{self.exponential} exponentials take {known[0]} to {known[-1]} steps"
            raise DeployError(f"--timesteps {steps}: {kind}; 12 suits most")
        if base != 2:
            raise DeployError(f"--base {base}: --method sit sends binary digits; leave --base out, or give 2")
        if spikes == "auto":
            raise DeployError("--spikes auto: --method sit sends binary digits; leave --spikes out, or give a number")
        if self.softmax != "direct" or self.winner != "graded":
            raise DeployError(
                "--softmax and --winner belong to --method spiked-attention; --exponential is sit's choice"
            )

    def _check_spikes(self, option: str, spikes: int) -> None:
        """Raise DeployError for more spikes than a neuron of --method spiked-attention may send per value."""
        if self.method == "spiked-attention" and spikes > MOST_SPIKES:
            raise DeployError(f"{option} {spikes}: neurons spend at most {MOST_SPIKES} on a value; give 1, 2 or 3")

    def _check_steps(self, steps: int) -> None:
        """Raise DeployError for a T below 2 or above the method's largest."""
        check_number("--timesteps", steps)
        if steps < 2:
            raise DeployError(f"--timesteps {steps}: a window needs at least 2 steps; give 8 to 64")
        longest = LONGEST_FLOATING if self.method in FLOATING else LONGEST
        if steps > longest:
            raise DeployError(
                f"--timesteps {steps}: windows of --method {self.method} have at most {longest} steps; give 8 to 64"
            )

    def _check_windows(self) -> None:
        """Raise DeployError if other options keep T from being chosen by layer within --latency."""
        if self.method != "spiked-attention":
            raise DeployError(f"--timesteps auto: --method {self.method} has one T for all layers; give a number")
        if self.winner == "race":
            raise DeployError(
                "--timesteps auto: how long a race takes depends on what is chosen, so no limit can be kept; leave --winner "
                "out, or give --timesteps a number"
            )
        if self.budget is not None:
            raise DeployError("--timesteps auto: --budget chooses one T for all layers; leave one of the two out")

    def record(self) -> dict[str, Any]:
        """The options in force as plain values for report.json; options that are None are absent."""
        values = asdict(self.in_force())
        return {
            key: str(value) if isinstance(value, Path) else value for key, value in values.items() if value is not None
        }
