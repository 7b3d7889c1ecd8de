"""Results of an evaluation: of each batch, and summed over all batches."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from typing_extensions import TypedDict

from deploy import measure
from deploy.errors import DeployError
from deploy.language.scores import COLUMNS, Windows, scores, summary
from deploy.schema import CoreSeconds, Evaluation, Exactness, Original, Spikes, Spiking, loads
from deploy.sources.archives import read_arrays
from evaluator import compare
from evaluator.closed_form import ClosedForm
from evaluator.target_run import TargetRun
from processes.files import atomic_write
from processes.network import Network


class Rest(TypedDict):
    """The fields of a :class:`Batch` that its file holds as JSON; the others are arrays."""

    counts: dict[str, int]
    seconds: dict[str, float]
    first: str


@dataclass
class Batch:
    """Results of one batch of N samples.

    Attributes:
        original, spiking: predicted classes, int64 (N,); empty where outputs are not class scores.
        cosine: between the spiking and the original output, float64 (N,).
        squared_error: squared L2 norm of the difference of the outputs, float64 (N,).
        squared_norm: squared L2 norm of the original output, float64 (N,).
        language: for a language model deploy.language.scores.COLUMNS by window, float64 (N, 5); else (0, 5).
        counts: sums over the samples: spikes, saturations, compared_spikes, mismatches, ...
        seconds: of the "original" and of the "target", over all samples.
        first: where a stepped target first differed from the closed form; "" if nowhere.
    """

    original: np.ndarray
    spiking: np.ndarray
    cosine: np.ndarray
    squared_error: np.ndarray
    squared_norm: np.ndarray
    language: np.ndarray = field(default_factory=lambda: np.zeros((0, len(COLUMNS))))
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    first: str = ""

    ARRAYS = ("original", "spiking", "cosine", "squared_error", "squared_norm", "language")

    def save(self, path: Path) -> None:
        """Write the batch to a .npz file, whole or not at all."""
        rest = json.dumps({"counts": self.counts, "seconds": self.seconds, "first": self.first})
        with atomic_write(path) as file:
            np.savez(file, rest=np.array(rest), **{name: getattr(self, name) for name in self.ARRAYS})

    @classmethod
    def load(cls, path: Path) -> Batch:
        """Read a batch that :meth:`save` wrote.

        Raises:
            DeployError: the file is damaged, or holds no batch.
        """
        saved = read_arrays(path)
        try:
            rest = loads(Rest, str(saved["rest"]), path)
            arrays = {name: saved[name] for name in cls.ARRAYS}
        except (KeyError, DeployError) as error:
            raise DeployError(f"{path}: no batch of an evaluation; --force begins anew") from error
        samples = len(arrays["cosine"]) if arrays["cosine"].ndim == 1 else -1
        fit = all(array.dtype.kind in "iuf" and array.ndim and len(array) in (0, samples) for array in arrays.values())
        if not fit or arrays["language"].shape[1:] != (len(COLUMNS),):
            raise DeployError(f"{path}: no batch of an evaluation; --force begins anew")
        return cls(**arrays, **rest)


def batch_of(
    original: measure.Outputs, found: measure.Measurement, classes: bool, text: Windows | None = None
) -> Batch:
    """Results of a batch that the closed form ran.

    ``classes``: whether outputs are class scores. ``text``: the windows that a language model read.
    """
    counts = {"spikes": sum(found.spikes.values()), "saturations": sum(found.saturations.values())}
    return _batch(original, found.outputs, found.seconds_per_sample, counts, classes, text=text)


def compared_batch(
    network: Network, original: measure.Outputs, run: TargetRun, found: compare.Exactness, classes: bool,
    text: Windows | None = None,
) -> Batch:  # fmt: skip
    """Results of a batch that a target ran; ``found``: its comparison with the closed form."""
    counts = {
        "compared_spikes": found.compared_spikes, "compared_potentials": found.compared_potentials,
        "mismatches": found.mismatches, "ties": found.ties,
        "spikes": sum(int(np.count_nonzero(v)) for name, v in run.values.items() if network[name].fires),
    }  # fmt: skip
    outputs = ClosedForm(network, torch.float64).real(torch.from_numpy(run.outputs)).float().numpy()
    return _batch(original, outputs, run.seconds_per_sample, counts, classes, found.first or "", text)


def _batch(
    original: measure.Outputs,
    outputs: np.ndarray,
    seconds: float,
    counts: dict[str, int],
    classes: bool,
    first: str = "",
    text: Windows | None = None,
) -> Batch:
    if original.outputs.size != outputs.size:  # sizes, not shapes: a target may keep a leading 1
        raise DeployError(
            f"the original gives outputs {original.outputs.shape[1:]}, the spiking network {outputs.shape[1:]}: it is another "
            "model than the one that was converted; give that one"
        )
    told = np.zeros((0, len(COLUMNS))) if text is None else scores(original.outputs, outputs, text)
    wanted, found = (y.reshape(len(y), -1).astype(np.float64) for y in (original.outputs, outputs))
    none = np.zeros(0, np.int64)
    return Batch(
        original=wanted.argmax(1) if classes else none,
        spiking=found.argmax(1) if classes else none,
        cosine=np.array([measure.output_cosine(a[None], b[None]) for a, b in zip(found, wanted, strict=True)]),
        squared_error=np.square(found - wanted).sum(1),
        squared_norm=np.square(wanted).sum(1),
        language=told,
        counts=counts,
        seconds={"original": original.seconds_per_sample * len(wanted), "target": seconds * len(wanted)},
        first=first,
    )


def joined(batches: Sequence[Batch]) -> dict[str, np.ndarray]:
    """Concatenate the batches' arrays in order: a value or row per sample."""
    return {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in Batch.ARRAYS}


def summed(
    target: str, source: str, batches: Sequence[Batch], labels: np.ndarray | None, windows: tuple[int, int] = (0, 0)
) -> Evaluation:
    """Sum the results of all batches up.

    Args:
        target: name of the target that ran.
        source: the data, in words.
        batches: of all samples, in order.
        labels: (N,) classes of the samples, or None.
        windows: length and stride of a language model's windows, in tokens.
    """
    rows = joined(batches)
    counts, seconds = Counter[str](), Counter[str]()
    for batch in batches:
        counts.update(batch.counts)
        seconds.update(batch.seconds)
    samples = len(rows["cosine"])
    original, spiking = rows["original"], rows["spiking"]
    classes = len(original) > 0
    return Evaluation(
        samples=samples,
        target=target,
        data=source,
        ann=Original(accuracy=_share(original, labels) if classes else None),
        snn=Spiking(
            accuracy=_share(spiking, labels) if classes else None,
            output_cosine=float(rows["cosine"].mean()),
            relative_error=float(np.sqrt(rows["squared_error"].sum() / rows["squared_norm"].sum())),
        ),
        agreement=_share(spiking, original) if classes else None,
        spikes=Spikes(total_per_sample=counts["spikes"] / samples),
        saturations=counts.get("saturations"),
        exactness=_exactness(counts, batches) if "mismatches" in counts else None,
        language=summary(rows["language"], *windows) if len(rows["language"]) else None,
        seconds=CoreSeconds(**{f"{name}_per_sample": value / samples for name, value in seconds.items()}),
    )


def _share(found: np.ndarray, wanted: np.ndarray | None) -> float | None:
    """Share of predictions ``found`` (N,) that equal ``wanted`` (N,); None without these."""
    return None if wanted is None else float((found == wanted).mean())


def _exactness(counts: Mapping[str, int], batches: Sequence[Batch]) -> Exactness:
    return Exactness(
        compared_spikes=counts["compared_spikes"],
        compared_potentials=counts["compared_potentials"],
        mismatches=counts["mismatches"],
        ties=counts["ties"],
        first=next((batch.first for batch in batches if batch.first), None),
    )
