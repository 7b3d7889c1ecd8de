"""Whole families of encoders, small and with random weights: captured, lowered, calibrated, discretised and stepped."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters.calibrate import calibrate
from converters.coverage import built, coverage, ideal_error
from converters.discretise import discretise
from converters.families import FAMILIES, Family
from converters.lowering.equality import EQUAL
from evaluator.closed_form import ClosedForm
from evaluator.stepping import Recorder, step_through
from evaluator.timeline import timeline
from processes.chips import LOIHI2
from processes.network import Network, Route
from processes.phase_code import PhaseCode

LARGE = {
    "timm nextvit",
    "timm efficientformer",
    "timm mobilevit",
    "timm edgenext",
    "timm convnext",
    "timm convnext v2",
    "timm efficientvit",
    "timm mobilenet v3",
    "timm regnet",
}
SMALL = [family for family in FAMILIES if family.name not in LARGE]
COARSE, FINE = PhaseCode(1.5, 10), PhaseCode(1.1, 60)

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries' own, while they build and export models


def names(family: Family) -> str:
    return family.name


ALIKE = {
    "timm vit, average pooling", "timm deit", "timm deit3", "timm beit", "transformers ViT", "transformers DeiT",
    "transformers Swin", "transformers RoBERTa", "transformers GPT-J", "transformers Qwen2", "transformers Mistral",
    "transformers Gemma", "transformers Gemma 3, text", "transformers SmolLM3", "transformers StarCoder2",
    "transformers Qwen2-MoE", "transformers Swin v2", "transformers Marian", "transformers OLMo 2", "transformers Phi-3",
}  # fmt: skip
"""Families each of whose operations another family here has too."""
STEPPED = [pytest.param(f, marks=[pytest.mark.exhaustive] * (f.name in ALIKE), id=f.name) for f in SMALL]


@pytest.mark.parametrize("family", STEPPED)
def test_it_converts_spikes_and_steps(family: Family) -> None:
    ideal, error, front = ideal_error(family)
    assert error < EQUAL
    model, arguments = built(family, 0)
    samples = arguments[0].numpy() if front is None else front(*arguments)
    calibration, held_out = samples[:8], samples[8:]
    with torch.no_grad():
        expected = model(*(a[8:] for a in arguments)).double().reshape(len(held_out), -1)

    def off(network: Network) -> float:
        runner = ClosedForm(network, torch.float64)
        outputs = runner.real(runner.run(held_out)).reshape(expected.shape)
        return float((outputs - expected).norm() / expected.norm())

    coarse = calibrate(ideal, calibration, COARSE)
    fine = calibrate(ideal, calibration, FINE)
    assert off(fine) < off(coarse)
    fixed = discretise(coarse, calibration, LOIHI2)
    assert off(fixed) < 2 * off(coarse)
    assert_stepped(fixed, held_out[:1])


def assert_stepped(network: Network, sample: np.ndarray) -> None:
    """The integer network stepped through time gives the closed form's value in every node."""
    values: dict[str, torch.Tensor] = {}
    runner = ClosedForm(network, torch.float64)
    runner.run(sample, lambda name, op, result: values.__setitem__(name, result.values.clone()))
    times = timeline(network)
    stepped = Recorder(network, times)
    step_through(network, times, runner.encode(sample)[0].numpy(), stepped)
    for name, node in network:
        if isinstance(node.op, Route):
            continue
        value = values[name][:, 0] if node.op.fires else values[name][0]
        found = stepped.values.get(name, np.zeros(value.shape))
        assert (found == value.numpy()).all(), f"'{name}' differs"


def test_the_table_tells_what_happened() -> None:
    rows = {
        row.family: row
        for row in coverage(tuple(f for f in SMALL if f.name in ("timm vit", "transformers BERT, MiniLM")))
    }
    assert rows["timm vit"].state == "spiking" and not rows["timm vit"].reason
    assert "host" in rows["transformers BERT, MiniLM"].reason


def test_the_table_says_why_a_family_is_refused() -> None:
    class Sorted(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sort(-1)[0]

    def build() -> tuple[torch.nn.Module, tuple[torch.Tensor, ...]]:
        return Sorted(), (torch.rand(2, 3, 4, 4),)

    (row,) = coverage((Family("order", "Sorted", build),))
    assert row.state == "refused" and "sort" in row.reason


def test_padding_does_not_touch_what_is_kept() -> None:
    """What stands in masked positions changes nothing in the others."""
    family = next(f for f in FAMILIES if "MiniLM" in f.name)
    ideal, _, front = ideal_error(family)
    _, (ids, mask) = built(family)
    assert front is not None
    network = calibrate(ideal, front(ids, mask), FINE)
    other = ids.where(mask == 1, torch.full_like(ids, 7))
    runner = ClosedForm(network, torch.float64)
    kept = mask.bool()
    outputs = [runner.run(front(i, mask)).reshape(*mask.shape, -1)[kept] for i in (ids, other)]
    assert torch.equal(*outputs)
