"""What conversion does so that its choices hold on other samples: each safeguard, where leaving it out would show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters import pipeline
from converters.correct import HELD_BACK, SAMPLES, _missing, hold_back
from converters.discretise import discretise
from converters.positions import Position
from deploy.energy.break_even import BreakEven, _solve
from evaluator.closed_form import ClosedForm
from processes.backends import numba as numba_backend
from processes.chips import LOIHI2
from processes.dynamic_threshold.calibration import half_silent
from processes.events import growth
from processes.network import DenseSynapse, DynamicThreshold, Network, PhaseNeuron, Residual, Route, SquareSum, Synapse
from processes.operation import Operation
from processes.phase_code import PhaseCode
from processes.phase_neuron.schedule import FloatSchedule
from processes.synapse import exact
from tests.converters.modules import images, lowered, module, small_vit, spiking

HALF = 0.03  # of a share of 1/2, among 20,000 values: eight standard errors


@pytest.mark.parametrize("samples", [2, 3, 40, 64, 500])
def test_a_correction_is_judged_on_samples_that_it_did_not_see(samples: int) -> None:
    held, few = hold_back(samples)
    assert not set(held) & set(few)
    assert len(held) == min(HELD_BACK, samples // 2) and len(few) == min(SAMPLES, samples - len(held))
    assert set(held) | set(few) <= set(range(samples))


def test_scales_are_judged_on_samples_that_they_did_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two networks is discretised on some samples and compared on others."""
    samples, seen, judged = np.arange(20)[:, None], [], []

    def integer(network: str, x: np.ndarray, importance: dict[str, np.ndarray], progress: Any) -> str:
        seen.append(set(x[:, 0]))
        return network

    def error(ideal: Any, networks: list[str], x: np.ndarray, batch: int) -> list[float]:
        judged.append(set(x[:, 0]))
        return [errors[-1][network] for network in networks]

    monkeypatch.setattr(pipeline, "output_errors", error)
    made: Any = lambda balanced: "balanced" if balanced else "plain"  # noqa: E731
    errors: list[dict[str, float]] = []
    for balanced, gains in ((1.0, True), (2.0, False)):
        errors.append({"plain": 2.0, "balanced": balanced})
        assert pipeline._gains(made, None, samples, integer, {}, 8, None) is gains  # type: ignore[arg-type]
    assert len(seen) == len(judged) == 4 and not any(a & b for a, b in zip(seen, judged, strict=True))


def test_a_bias_moves_only_where_both_halves_of_the_samples_agree() -> None:
    """Feature 0 misses 1 in every row; feature 1 misses 1 in even rows and exceeds by 0.2 in odd ones; 2 by chance alone."""
    op = DenseSynapse(shape=(1, 2, 3), weight=np.zeros((3, 4)), bias=np.zeros(3), trace=np.ones(1))
    wanted = torch.zeros(8, 2, 3)
    wanted[..., 0] = 1.0
    wanted[0::2, :, 1], wanted[1::2, :, 1] = 1.0, -0.2
    wanted[..., 2] = torch.tensor([1.0, -1, -1, 1, 1, -1, -1, 1])[:, None]
    missing, share = _missing(op, [wanted], [torch.zeros(8, 2, 3)], [None])
    np.testing.assert_array_equal(missing, [1.0, 0.0, 0.0])
    assert 0 < share < 1


def test_potentials_leave_the_headroom_that_the_chip_asks_for() -> None:
    """Calibrated potentials stay so far below the limit that inputs may exceed them by ``trace_headroom``."""
    most = 0.0
    for channels in (24, 29, 35, 42):  # what they add up to covers an octave
        model = module(
            lambda m, x: m.b(x + F.conv2d(F.relu(x), m.w, padding=1)),
            b=nn.Conv2d(channels, 2, 1), w=torch.ones(channels, channels, 3, 3),
        )  # fmt: skip
        x = torch.rand(2, channels, 3, 3, generator=torch.Generator().manual_seed(0))
        fixed = discretise(spiking(model, x, PhaseCode(1.5, 6)), x.numpy(), LOIHI2)

        def look(name: str, op: Operation, y: torch.Tensor) -> None:
            nonlocal most
            if isinstance(op, Synapse | Residual):
                most = max(most, float(y.values.abs().max()))

        ClosedForm(fixed).run(x, look)
    assert 0.8 < most / (LOIHI2.state_limit / LOIHI2.trace_headroom) < 1.01  # weights are rounded


WIDE = {
    "dense": (module(lambda m, x: m.b(F.relu(m.a(x))), a=nn.Linear(16, 400), b=nn.Linear(400, 8)), (6, 5, 16)),
    "convolution": (
        module(lambda m, x: m.b(F.relu(m.a(x))), a=nn.Conv2d(3, 96, 1), b=nn.Conv2d(96, 4, 3, padding=1)), (6, 3, 5, 5)
    ),
    "depthwise": (
        module(lambda m, x: m.b(F.relu(m.a(x))), a=nn.Conv2d(3, 8, 1), b=nn.Conv2d(8, 8, 9, padding=4, groups=8)),
        (6, 3, 9, 9),
    ),
}  # fmt: skip
"""Layers whose potentials fit 24 bits, but not all that 12 bits of a trace could add up to."""


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("spikes", [1, 2])
def test_traces_give_way_until_no_order_of_arrival_can_saturate(
    name: str, spikes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The closed form then asks nothing but norms, or what neurons can send, of calibrated inputs."""

    def asked(*_: Any) -> Any:
        raise AssertionError("a second proof was needed")

    model, shape = WIDE[name]
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    network = spiking(model, x, PhaseCode(1.15, 40), spikes=spikes)
    fixed, stiff = (
        discretise(network, x.numpy(), replace(LOIHI2, least_trace_bits=least))
        for least in (LOIHI2.least_trace_bits, LOIHI2.trace_bits)
    )
    monkeypatch.setattr(numba_backend, "one_sided", asked)
    monkeypatch.setattr(exact, "_of_magnitudes", asked)
    ClosedForm(fixed).run(x.numpy())
    with pytest.raises(AssertionError, match="a second proof was needed"):
        ClosedForm(stiff).run(x.numpy())


@pytest.mark.parametrize("name", WIDE)
def test_what_saturates_is_made_coarser_at_every_attempt(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a bit of the trace while there is one to give, else of the weights; none of the attempts repeats another."""
    model, shape = WIDE[name]
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    network = spiking(model, x, PhaseCode(1.15, 40))
    clipped = next(name for name, node in reversed(list(network)) if isinstance(node.op, Synapse))
    units: list[float] = []

    def saturating(fixed: Network, *_: Any) -> tuple[list[str], int]:
        op = fixed[clipped]
        assert isinstance(op, Synapse) and op.unit is not None
        units.append(float(op.unit.max()))
        return ([clipped] if len(units) < 6 else []), 0

    monkeypatch.setattr("converters.discretise.saturating", saturating)
    discretise(network, x.numpy(), LOIHI2)
    assert (np.diff(np.log2(units)) > 0.95).all()  # rows' units are cut to seven bits


def test_half_silent_rows_are_those_half_of_whose_values_fall_below_the_smallest_level() -> None:
    code, features = PhaseCode(1.4, 8), 16
    scale = np.full((1, 1, features), 0.7)
    schedule = FloatSchedule(
        function="identity", scale=scale, unit=np.ones_like(scale), base=code.base, steps=code.steps
    )
    network = Network((1, 1, features))
    coder = network.add("code", PhaseNeuron(shape=(1, 1, features), schedule=schedule), Network.INPUT)
    squares = network.add("squares", SquareSum(shape=(1, 1, 1), trace=code.levels, weight=scale**2), coder)
    deviation = np.sqrt(half_silent(Position(network, squares)) / features)
    x = torch.from_numpy(np.random.default_rng(0).normal(0, deviation, (1250, 1, 1, features)))
    silent = float((network[coder].closed_form(x).values == 0).double().mean())
    assert abs(silent - 0.5) < HALF


def test_energies_meet_where_the_parabola_says() -> None:
    """f^2 = 4 at f = 2 and f^2 = 1/4 at f = 1/2, f + f^2 = 6 at f = 2, and no crossing beyond the most that there is."""
    assert _solve("tokens", 10.0, (0.0, 0.0, 1.0), (4.0, 0.0, 0.0), np.inf) == BreakEven("tokens", 10.0, "below", 20.0)
    assert _solve("tokens", 8.0, (0.0, 0.0, 1.0), (0.25, 0.0, 0.0), np.inf) == BreakEven("tokens", 8.0, "below", 4.0)
    assert _solve("tokens", 3.0, (0.0, 1.0, 1.0), (6.0, 0.0, 0.0), np.inf) == BreakEven("tokens", 3.0, "below", 6.0)
    assert _solve("tokens", 3.0, (6.0, 0.0, 0.0), (0.0, 1.0, 1.0), np.inf) == BreakEven("tokens", 3.0, "above", 6.0)
    assert _solve("spikes_per_neuron", 1.0, (0.0, 0.0, 1.0), (4.0, 0.0, 0.0), 1.5).cheaper == "always"
    assert _solve("tokens", 1.0, (9.0, 0.0, 1.0), (4.0, 0.0, 0.0), np.inf).cheaper == "never"


def test_what_grows_with_the_square() -> None:
    """Additions in products of two spike trains with spikes; scores and products of attention with tokens."""
    network = lowered(small_vit(), torch.from_numpy(images(1)))
    by_op: dict[str, str] = {}
    for name, node in network:
        norm = isinstance(node.op, DynamicThreshold) and node.op.squared
        if not isinstance(node.op, Route):
            by_op.setdefault("norm" if norm else node.op.name, name)

    def powers(quantity: Any, event: str) -> dict[str, int]:
        return {op: growth(network[name], quantity, event) for op, name in by_op.items()}

    spikes, tokens, steps = (powers(q, "synaptic_operations") for q in ("spikes_per_neuron", "tokens", "timesteps"))
    assert {op for op, power in spikes.items() if power == 2} == {"trace_product"}
    assert {op for op, power in tokens.items() if power == 2} == {"trace_product", "woss", "dynamic_threshold"}
    assert set(steps.values()) == {0} and set(powers("timesteps", "compares").values()) == {1}
