"""A chip's widths: any that its carriers hold give an exact network, and one that they do not hold is refused by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.discretise import discretise
from evaluator.compare import compare
from processes.chips import LOIHI2, Chip
from processes.errors import DeployError
from processes.network import Network, Synapse
from processes.phase_code import PhaseCode
from tests.converters.modules import module, spiking
from tests.stepped import step_samples

CALIBRATION = np.random.default_rng(0).normal(size=(8, 3, 4)).astype(np.float32)
BLOCK = module(
    lambda m, x: m.o(m.n(x + F.scaled_dot_product_attention(m.q(x), m.k(x), m.v(F.gelu(m.h(x)))))),
    q=nn.Linear(4, 4), k=nn.Linear(4, 4), v=nn.Linear(4, 4), h=nn.Linear(4, 4), n=nn.LayerNorm(4), o=nn.Linear(4, 3),
)  # fmt: skip


@pytest.fixture(scope="module", params=[1, 2])
def calibrated(request: pytest.FixtureRequest) -> Network:
    """A block of a transformer in floating point, of one and of two spikes."""
    return spiking(BLOCK, torch.from_numpy(CALIBRATION), PhaseCode(1.5, 8), spikes=request.param)


def random_chip(seed: int) -> Chip:
    """Widths that every carrier holds."""
    rng = np.random.default_rng(seed)
    state = int(rng.integers(16, 25))
    trace = int(rng.integers(8, 13))
    return replace(
        LOIHI2, name=f"random-{seed}", weight_bits=int(rng.integers(2, 9)), state_bits=state, graded_bits=state,
        trace_bits=trace, least_trace_bits=trace - int(rng.integers(0, 2)), threshold_bits=int(rng.integers(8, 18)),
        schedule_bits=int(rng.integers(8, 18)), level_bits=int(rng.integers(10, 21)),
        norm_drive_bits=int(rng.integers(12, 21)), norm_cut_bits=int(rng.integers(16, 25)),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_any_widths_step_exactly_as_their_closed_form(calibrated: Network, seed: int) -> None:
    chip = random_chip(seed)
    fixed = discretise(calibrated, CALIBRATION, chip)
    samples = np.concatenate([CALIBRATION[:1], 4 * CALIBRATION[1:2]])
    found = compare(fixed, samples, step_samples(fixed, samples))
    assert (found.mismatches, found.first) == (0, None)
    largest = max(int(np.abs(node.op.weight).max()) for _, node in fixed if isinstance(node.op, Synapse))
    assert largest == 2 ** (chip.weight_bits - 1) - 1


@pytest.mark.parametrize(
    "width, bits, message",
    [
        ("weight_bits", 10, "weights are carried in int8; choose 2 to 8"),
        ("state_bits", 28, "potentials are carried in float32, whose integers are exact to 24 bits; choose 2 to 24"),
        ("trace_bits", 23, "sums of 3 spikes' traces are carried in float32, exact to 24 bits; choose 2 to 22"),
        ("least_trace_bits", 13, "exceeds trace_bits = 12; choose at most 12"),
        ("graded_bits", 20, "is not state_bits = 24, which potentials are handed on with; choose one width for both"),
        ("threshold_bits", 32, "unsigned thresholds are carried in int32; choose 2 to 31"),
        (
            "schedule_bits",
            31,
            "table entries are carried in int32, whose ends stand for never and always; choose 2 to 30",
        ),
        ("level_bits", 22, "squared levels times 16 bits of gain are carried in int64; choose 2 to 21"),
        ("exponential_bits", 31, "exponentials are carried in int32; choose 2 to 30"),
        ("norm_drive_bits", 28, "squares of LayerNorm's drive are exact to 53 bits; choose 2 to 27"),
        ("norm_cut_bits", 30, "its products with 24-bit sums are exact to 53 bits; choose 2 to 29"),
        ("exact_bits", 64, "float64 is exact to 53 bits; choose 2 to 53"),
        ("decay_bits", 41, "its products with 24-bit states are carried in int64; choose 2 to 40"),
        ("align_bits", 40, "24-bit states shifted left are carried in int64; choose 2 to 39"),
        ("weight_bits", 1, "weights are carried in int8; choose 2 to 8"),
    ],
)
def test_widths_that_a_carrier_does_not_hold_are_refused(width: str, bits: int, message: str) -> None:
    """The message names the chip, the width, what carries it, and which widths there are."""
    with pytest.raises(DeployError) as error:
        replace(LOIHI2, **{width: bits})
    assert str(error.value).startswith(f"chip 'loihi2': {width} = {bits}")
    assert str(error.value).endswith(message)
