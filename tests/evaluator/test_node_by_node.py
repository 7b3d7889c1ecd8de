"""A sample stepped node by node is what all nodes give step by step: every spike, potential and clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from converters.discretise import discretise
from evaluator import node_by_node, stepper
from evaluator.compare import compare
from evaluator.target_run import TargetRun
from processes import sent
from processes.chips import LOIHI2
from processes.kernels.windows import fire_first_all
from processes.network import Network
from processes.operation import Operation, Window
from processes.phase_code import PhaseCode
from processes.sent import Sent, stepwise
from tests.converters.modules import spiking
from tests.evaluator.test_random_networks import FEATURES, TOKENS, Attention, Branch
from tests.stepped import step_samples


def samples(number: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(number, TOKENS, FEATURES)).astype(np.float32)


def network(spikes: int = 1, fixed: bool = True) -> Network:
    """Norms, attention, an activation, streams."""
    torch.manual_seed(1)
    norm = nn.LayerNorm(FEATURES)
    module = nn.Sequential(Branch(nn.Sequential(norm, Attention())), nn.Linear(FEATURES, 8), nn.GELU(), nn.Linear(8, 3))
    found = spiking(module.eval(), torch.from_numpy(samples(16)), PhaseCode(1.3, 12), spikes=spikes)
    return discretise(found, samples(16), LOIHI2) if fixed else found


def differing(one: TargetRun, other: TargetRun) -> list[str]:
    """Nodes whose values, or clips, are not the same."""
    same = {name: np.array_equal(values, other.values[name]) for name, values in one.values.items()}
    return [name for name, equal in same.items() if not equal or one.clips.get(name) != other.clips.get(name)]


@pytest.mark.parametrize("spikes", [1, 2, 3])
@pytest.mark.parametrize("fixed", [True, False])
def test_node_by_node_is_step_by_step(spikes: int, fixed: bool) -> None:
    found = network(spikes, fixed)
    x = np.concatenate([samples(3), 300 * samples(2)])  # the last ones far beyond calibration
    run = stepper.run(found, x)
    assert differing(run, step_samples(found, x, {})) == []
    assert not fixed or sum(run.clips.values()) > 0
    run.values["moved"] = run.values[found.output] + 1
    assert differing(run, TargetRun(run.outputs, {**run.values, "moved": run.outputs}, 0.0, clips=run.clips)) == [
        "moved"
    ]


def test_with_one_spike_only_centring_goes_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    names: set[str] = set()

    def noted(stepping: object, span: Window, begin: int, operands: sent.Operands) -> Sent | None:
        names.add(type(stepping).__name__)
        return stepwise(stepping, span, begin, operands)  # type: ignore[arg-type]

    monkeypatch.setattr(node_by_node, "stepwise", noted)
    found = network()
    stepper.run(found, samples(1))
    assert names == {"CentreStepper"}
    stepper.run(network(spikes=2), samples(1))
    assert "WossStepper" in names


@pytest.mark.parametrize("kind", ["phase_neuron", "dense", "trace_product", "woss", "dynamic_threshold", "square_sum"])
def test_a_node_that_is_wrongly_skipped_is_found(kind: str) -> None:
    found = network()
    skipped = next(name for name, node in found if node.op.name == kind)
    build = node_by_node.NodeByNode._node

    def skip(self: node_by_node.NodeByNode, name: str):
        name, run, clips = build(self, name)
        return name, (lambda operands: None) if name == skipped else run, clips

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(node_by_node.NodeByNode, "_node", skip)
        run = stepper.run(found, samples(2))
    checked = compare(found, samples(2), run)
    assert checked.mismatches > 0 and checked.first is not None and skipped in checked.first


def first_neuron(found: Network) -> Operation:
    return next(node.op for _, node in found if node.op.name == "phase_neuron")


def test_what_arrives_in_a_window_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message in the middle of a neuron's window: it goes step by step, and would fire otherwise if it did not."""
    op = first_neuron(network())
    own = op.stepper(Window(4, 16), [Window(0, 9)])
    assert isinstance(own, sent.Through)
    limit = own.limit  # type: ignore[attr-defined]
    late = Sent(np.array([1, 8]), np.stack([np.full(op.shape, limit // 9), np.full(op.shape, -limit // 2)]))

    def alone() -> Sent | None:
        return stepwise(own, Window(0, 16), 4, [late])

    def spikes() -> dict[int, list[int]]:
        made = own.through([late], alone)
        return (
            {}
            if made is None
            else dict(zip(made.steps.tolist(), made.messages.reshape(len(made.steps), -1).tolist(), strict=True))
        )

    right = spikes()
    monkeypatch.setattr("processes.phase_neuron.complete", lambda operands, start: True)
    assert right and spikes() != right


def test_thresholds_beyond_32_bits_are_as_far_at_their_end() -> None:
    bits = np.iinfo(np.int32)
    v = np.array([-(2**23), -5, 0, 5, 2**23])
    tables = np.array([[2**40, 4], [-(2**40), -(2**40)], [-(2**40), -4]]).reshape(3, 2, 1, 1).repeat(5, 3)
    wide, narrow, cut = (np.zeros(5, np.int32) for _ in range(3))
    fire_first_all(v, (1, 1, 5), tables, wide)
    fire_first_all(v.astype(np.int32), (1, 1, 5), tables.clip(bits.min, bits.max).astype(np.int32), narrow)
    fire_first_all(v.astype(np.int32), (1, 1, 5), tables.astype(np.int32), cut)
    assert wide.tolist() == narrow.tolist() == [-2, -2, 0, 2, 2] != cut.tolist()
