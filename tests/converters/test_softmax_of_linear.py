"""Softmax straight behind a linear layer, whose integer units are one number that each column has for itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from converters.pipeline import Variant, convert_module
from evaluator.compare import compare
from processes.errors import DeployError
from processes.integers import FixedPosition
from processes.network import FixedPointNetwork, SiExp, Woss
from tests.stepped import step_samples

SPIKED, SIT = Variant(), Variant(method="sit")


class Shares(nn.Module):
    """Values divided by the softmax weights of others."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.o = nn.Linear(4, 5), nn.Linear(4, 5), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, tokens, 4) to (N, tokens, 2)."""
        return self.o(self.b(x) / (torch.softmax(self.a(x), -1) + 0.1))


def converted(variant: Variant) -> tuple[FixedPointNetwork, np.ndarray]:
    """In fixed point, and samples."""
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(8, 3, 4)).astype(np.float32)
    base, spikes = (2.0, 6) if variant.method == "sit" else (1.4, 1)
    fixed = convert_module(Shares().eval(), [x], 12, base, spikes=spikes, variant=variant).fixed
    assert fixed is not None
    return fixed, x


@pytest.mark.parametrize("variant", [SPIKED, SIT], ids=["woss", "si_exp"])
def test_all_columns_share_one_table(variant: Variant) -> None:
    network, x = converted(variant)
    (softmax,) = (node.op for _, node in network if isinstance(node.op, Woss | SiExp))
    assert len(softmax.ramp if isinstance(softmax, Woss) else softmax.threshold) == 1
    found = compare(network, x[:2], step_samples(network, x[:2]))
    assert found.mismatches == 0 and found.compared_spikes > 0


def test_a_table_for_each_column_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""

    def by_column(at: FixedPosition) -> np.ndarray:
        (heard,) = at.operands
        return heard.unit.reshape(-1, 1) / heard.integer_unit.reshape(-1, 1)

    monkeypatch.setattr("processes.woss.integers.finer", by_column)
    with pytest.raises(DeployError, match=r"ramp is of shape \(5, 12\)"):
        converted(SPIKED)
