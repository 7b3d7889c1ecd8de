"""Forms that models write, converted to integers: they compute what the model does, and stepped, spike for spike the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.pipeline import convert_module
from evaluator.closed_form import ClosedForm
from tests.converters.modules import module
from tests.evaluator.test_stepping import compare
from tests.tolerances import WRITTEN_FORMS

FORMS: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "magnitude": lambda m, x: m.a(x).abs(),
    "times an inverse": lambda m, x: x * torch.reciprocal(torch.relu(m.a(x)) + 0.5),
    "inverse": lambda m, x: 1 / (torch.relu(m.a(x)) + 0.5),
    "root of a softmax": lambda m, x: m.a(x).softmax(-1).sqrt(),
    "cube": lambda m, x: m.a(x) ** 3,
    "arctangent": lambda m, x: torch.atan(m.a(x)),
    "a function that rests below zero": lambda m, x: F.logsigmoid(m.a(x)),
    "a clamp that is never zero": lambda m, x: m.a(x).clamp(0.5, 2),
    "smallest": lambda m, x: m.a(x).amin(1, keepdim=True),
    "instance norm": lambda m, x: F.instance_norm(m.a(x)),
    "softmax of what attention gives": lambda m, x: F.scaled_dot_product_attention(m.a(x), x, m.a(x)).softmax(1),
    "clamped norm": lambda m, x: (y := m.a(x)) * y.norm(dim=-1, keepdim=True).clamp(0.5, 2),
    "value and its norm": lambda m, x: (y := m.a(x)) + y.norm(dim=-1, keepdim=True),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_written_form_in_integers(form: str) -> None:
    """Two spikes a value, on samples that calibration has not seen, and stepped on one far beyond it, too."""
    model = module(lambda m, x: m.b(FORMS[form](m, x)), a=nn.Linear(8, 8), b=nn.Linear(8, 4))
    calibration, x = (
        np.random.default_rng(seed).normal(size=(n, 5, 8)).astype(np.float32) for seed, n in ((0, 64), (1, 16))
    )
    network = convert_module(model, [calibration], 40, 1.15, spikes=2, input_spikes=2).network
    expected = model(torch.from_numpy(x)).detach().numpy()
    runner = ClosedForm(network)
    found = runner.real(runner.run(x)).numpy().reshape(expected.shape)
    assert np.linalg.norm(found - expected) < WRITTEN_FORMS * np.linalg.norm(expected)
    assert compare(network, np.concatenate([x[:2], 30 * x[2:3]])) > 100
