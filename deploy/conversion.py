"""The Conversion object: a converted transformer that can be run, verified, evaluated, and saved to a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from deploy import measure
from deploy.arrays import Arguments, as_array, given_data
from deploy.availability import chosen
from deploy.errors import DeployError
from deploy.evaluation.summary import batch_of, summed
from deploy.language.following import Source, original, spiking
from deploy.language.generate import GREEDY, Choice, Token, Turns, generate, language_of, prompt_tokens
from deploy.options.checks import check_positive
from deploy.options.config import FILE, written
from deploy.origin import Origin
from deploy.output import GRAPH, PAGE, output_folder
from deploy.progress import Progress
from deploy.report.figures import Figures, write_figures
from deploy.results import Verification
from deploy.schema import Evaluation, Report, write_report
from deploy.steps import host_input
from evaluator.closed_form import ClosedForm
from evaluator.compare import compare
from evaluator.network_file import write
from processes.backends.devices import CPU, described, on_device
from processes.files import write_text
from processes.network import Network


@dataclass(eq=False)
class Conversion:
    """A transformer converted to a spiking network.

    ``deploy.convert`` and ``deploy.load`` return it.

    Attributes:
        network: the spiking network; iterating gives (name, node).
        origin: the original model, the evaluation data and the options of the conversion.
        measured: called once, when the report, its page or its figures are first read, to make all three.
        device: where the closed form and the original model are evaluated.
    """

    network: Network
    origin: Origin
    measured: Callable[[], tuple[Report, str, Figures]] = field(repr=False)
    device: torch.device = CPU

    @cached_property
    def _measured(self) -> tuple[Report, str, Figures]:
        return self.measured()

    @property
    def report(self) -> Report:
        """Accuracy, errors, spikes, latency and energy beside the original; measured when first read."""
        return self._measured[0]

    @property
    def page(self) -> str:
        """The report as one HTML page."""
        return self._measured[1]

    @property
    def figures(self) -> Figures:
        """The numbers behind the page's drawings that the report lacks; :mod:`deploy.plot` draws them for papers."""
        return self._measured[2]

    def run(self, x: Arguments) -> np.ndarray:
        """The spiking network's outputs (N, *output), float32, in the model's units, by its closed form.

        ``x``: the model's arguments, each (N, *sample): one array or tensor, a sequence, or a mapping by argument name.

        Raises:
            DeployError: an argument is missing, has a wrong shape, or holds NaN or infinity.
        """
        with on_device(self.device):
            return measure.evaluate(ClosedForm(self.network), self._input(x), self.origin.options.batch_size).outputs

    def generate(
        self, prompt: str | Turns | Sequence[int], max_new_tokens: int = 32, choice: Choice = GREEDY,
        target: str | None = "closed-form", chat: bool = True,
    ) -> Iterator[Token]:  # fmt: skip
        """Generate text after a prompt with a converted language model, token by token.

        Args:
            prompt: text, turns of a conversation ({"role": ..., "content": ...}), or token numbers.
            max_new_tokens: largest number of new tokens; the tokenizer's end token stops earlier.
            choice: how the next token is chosen: the most likely one by default, or drawn at a temperature.
            target: where the network runs; None for the original model.
            chat: whether a text becomes the user's turn of the tokenizer's chat template, if it has one.

        Raises:
            DeployError: the model is no language model, the prompt is empty, or prompt and new tokens exceed the window
                that the network was converted for.
        """
        text = language_of(self.origin.model)
        choice.check(text.vocabulary or 2**31)
        numbers = [number for number in prompt if isinstance(number, int | np.integer)]
        if isinstance(prompt, str) or len(numbers) < len(prompt):
            numbers = prompt_tokens(cast(str | Turns, prompt), text, chat)
        if not numbers:
            raise DeployError("the prompt has no tokens; give at least one")
        return generate(self.source(target), [int(n) for n in numbers], max_new_tokens, choice, text)

    def source(self, target: str | None = "closed-form") -> Source:
        """What computes the logits of a text's last token: the network on a target, or the original model for None.

        Raises:
            DeployError: the target cannot run here.
        """
        if target is None:
            return original(self.origin.model, self.network.input_shape[1])
        with on_device(self.device):
            return spiking(self.network, self.origin.model, target)

    def verify(
        self, samples: int = 2, x: Arguments | None = None, granularity: str = "block", progress: Progress | None = None,
        target: str | None = None,
    ) -> Verification:  # fmt: skip
        """Step samples through time and compare every spike and potential with the closed form.

        Args:
            samples: how many samples to step: the first of ``x`` if given, else of the evaluation data.
            x: the model's arguments, as for :meth:`run`.
            granularity: what a Lava Process holds, a "block" or one "operation".
            progress: shows a progress bar, and a note where Lava cannot run here.
            target: what steps, "lava-sim" or "stepper"; None for Lava where it can run, else the stepper.

        Raises:
            DeployError: ``x`` is missing and no evaluation data can be loaded, the target cannot run here, or a Lava
                Process failed.
        """
        check_positive("samples", samples)
        if x is None:
            inputs = host_input(self.origin.model, self.origin.evaluation.take(slice(samples)))
        else:
            inputs = self._input(x)[:samples]
        progress = progress or Progress()
        place, why = chosen(target, steps=True)
        progress.note([why] if why else [])
        with progress.stage(f"run on {place.name}", len(inputs)) as advance:
            stepped = place.run(self.network, inputs, granularity, lambda _: advance(1))
        with on_device(self.device):
            found = compare(self.network, inputs, stepped)
        return Verification(
            place.name, len(inputs), found.compared_spikes, found.compared_potentials, sum(found.saturations.values()),
            found.mismatches, found.first,
        )  # fmt: skip

    def evaluate(self, x: Arguments, labels: Any = None) -> Evaluation:
        """Compare the spiking network's closed form with the original network on given data.

        Args:
            x: the model's arguments, as for :meth:`run`.
            labels: (N,) classes, for accuracy; None compares predictions of class scores, and other outputs as vectors.

        Raises:
            DeployError: the original model cannot be loaded, or cannot take the data.
        """
        model = self.origin.model
        data = given_data(x, labels, model, "evaluation")
        classes = model.scores or data.labels is not None
        size = self.origin.options.batch_size
        with on_device(self.device):
            original = measure.ann_outputs(model.module, data.inputs, size)
            found = measure.evaluate(ClosedForm(self.network), host_input(model, data), size)
        batch = batch_of(original, found, classes)
        return replace(summed("closed-form", data.source, [batch], data.labels), device=described(self.device))

    def save(self, folder: Path | str, force: bool = False) -> None:
        """Write graph.nir, report.json, report.html, figures.npz and run.yaml, which ``deploy.load`` and every command read.

        Raises:
            DeployError: the folder cannot be written, holds other files, or a conversion and ``force`` is not set.
        """
        with output_folder(Path(folder), force) as scratch:
            write(scratch / GRAPH, self.network)
            self.write_report(scratch)

    def write_report(self, folder: Path) -> None:
        """Write report.json, report.html, figures.npz and run.yaml into an existing folder.

        Raises:
            DeployError: a result is not valid, as when 32-bit floats overflow.
        """
        try:
            write_report(folder, self.report)
        except ValueError as error:
            raise DeployError(
                f"{self.report.model}: a result is not as it has to be ({error}): data or weights are so large that 32-bit "
                "floats overflow; rescale them"
            ) from error
        if self.report.options is not None:
            write_text(folder / FILE, written(self.report.options.record()))
        write_figures(folder, self.figures)
        write_text(folder / PAGE, self.page)

    def _input(self, x: Arguments) -> np.ndarray:
        """The spiking network's input (N, *input) float32; a floating-point array needs no model to be loaded."""
        if not isinstance(x, (dict, Sequence)) and np.issubdtype((array := as_array(x, "x")).dtype, np.floating):
            wanted = self.network.input_shape[1:]
            if array.shape[1:] != wanted or not len(array):
                raise DeployError(
                    f"`x` has shape {array.shape}; the network takes (samples, {', '.join(map(str, wanted))})"
                )
            if not np.isfinite(array).all():
                raise DeployError("`x` holds NaN or infinity; remove or repair these samples")
            return np.ascontiguousarray(array, np.float32)
        return host_input(self.origin.model, given_data(x, None, self.origin.model, "evaluation"))
