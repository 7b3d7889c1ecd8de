"""Lowering: every operation that is accepted means what torch means by it; the rest is refused in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.capture import capture
from converters.lowering import UnsupportedModel, lower
from processes.errors import DeployError
from processes.network import DenseSynapse, Network, PhaseNeuron, Readout, Woss
from processes.phase_code import PhaseCode
from tests.converters import window_cases
from tests.converters.lowering_cases import ACCEPTED, DOUBTFUL, TOKENS, Forward, additive, qkv, two
from tests.converters.modules import error, lowered, module, one_by_one, spiking
from tests.tolerances import CONVERGED, FLOAT32

FINE = PhaseCode(1.02, 300)


def inputs(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(24, *shape, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("forward, parts, shape", ACCEPTED + window_cases.ACCEPTED)
def test_accepted(forward: Forward, parts: dict[str, Any], shape: tuple[int, ...]) -> None:
    """The ideal is the module; with a fine code, spikes come near it."""
    model, x = module(forward, **parts), inputs(shape)
    expected = one_by_one(model, x)
    assert error(lowered(model, x), x, expected, ideal=True) < FLOAT32
    assert error(spiking(model, x, FINE), x, expected) < CONVERGED


@pytest.mark.parametrize("forward, parts, shape", DOUBTFUL)
def test_right_or_refused(forward: Forward, parts: dict[str, Any], shape: tuple[int, ...]) -> None:
    """What is hard to convert is converted rightly, or refused before anything is; never silently wrong."""
    model, x = module(forward, **parts), inputs(shape)
    expected = one_by_one(model, x)
    try:
        network = lowered(model, x)
    except UnsupportedModel:
        return
    assert error(network, x, expected, ideal=True) < FLOAT32
    assert error(spiking(model, x, FINE), x, expected) < CONVERGED


@pytest.mark.parametrize("forward, parts, shape", window_cases.SHARED)
def test_what_is_written_into_shared_memory_would_be_lost(
    forward: Forward, parts: dict[str, Any], shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless the graph is rewritten so that each operation gives a value of its own."""
    monkeypatch.setattr("converters.decompose._writes_shared", lambda node: False)
    model, x = module(forward, **parts), inputs(shape)
    assert error(lowered(model, x), x, one_by_one(model, x), ideal=True) > 100 * FLOAT32


@pytest.mark.parametrize("how", ["log_softmax", "logsumexp", "logsumexp of masked logits"])
def test_an_exponential_undoes_the_logarithm_of_a_softmax(how: str) -> None:
    """Attention that is written so (Reformer) is a race, without a neuron for logarithms or exponentials."""

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        logits = m.a(x) @ x.mT
        if how == "logsumexp of masked logits":
            logits = torch.where(torch.ones(5, 5, dtype=torch.bool).tril(), logits, -1e5)
        shares = logits.log_softmax(-1) if how == "log_softmax" else logits - logits.logsumexp(-1, keepdim=True)
        return m.b(shares.exp() @ x)

    model, x = module(forward, **two()), inputs(TOKENS)
    network = lowered(model, x)
    assert error(network, x, one_by_one(model, x), ideal=True) < FLOAT32
    assert sum(isinstance(node.op, Woss) for _, node in network) == 1
    assert {node.op.schedule.function for _, node in network if isinstance(node.op, PhaseNeuron)} == {"identity"}


def test_a_log_sum_along_the_other_axis_is_no_softmax() -> None:
    """It broadcasts with square logits, too, where the axis that was summed over is not kept."""

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        logits = m.a(x) @ x.mT / 4
        return m.b((logits - logits.logsumexp(-1)).exp() @ x)

    model, x = module(forward, **two()), inputs(TOKENS)
    assert error(lowered(model, x), x, one_by_one(model, x), ideal=True) < FLOAT32


@pytest.mark.parametrize("function, why, shape", window_cases.REFUSED)
def test_windows_refused(function: Forward, why: str, shape: tuple[int, ...]) -> None:
    model = module(lambda _, x: function(x).reshape(1, -1))
    with pytest.raises(UnsupportedModel, match=why):
        lowered(model, inputs(shape))


@pytest.mark.parametrize("use", ["relu", "sum", "linear", "readout", "largest", "less", "place"])
@pytest.mark.parametrize("fill", [-torch.inf, -1e9])
def test_values_left_out_by_a_mask_are_for_softmax_alone(use: str, fill: float) -> None:
    """Whatever else reads them is refused, and nothing is converted."""

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        logits = m.a(x) + torch.where(m.mask[0], 0.0, fill) if fill == -1e9 else m.a(x).masked_fill(~m.mask[0], fill)
        uses: dict[str, Any] = {
            "relu": F.relu, "sum": lambda y: y + x[..., :5], "linear": m.b, "readout": lambda y: y,
            "largest": lambda y: x + y.amax(-1, keepdim=True), "less": lambda y: m.b(y - y.amax(-1, keepdim=True)),
            "place": lambda y: (y - y.amax(-1, keepdim=True)).softmax(-1) + y.max(-1, keepdim=True)[1],
        }  # fmt: skip
        return uses[use](logits)

    model = module(forward, mask=torch.eye(5, dtype=torch.bool)[None], a=nn.Linear(8, 5), b=nn.Linear(5, 2))
    why = "where the largest value is" if use == "place" else "outside a softmax"
    with pytest.raises(UnsupportedModel, match=why):
        lower(capture(model, (torch.zeros(1, 5, 8),)), (1, 5, 8))


@pytest.mark.parametrize("use", ["function", "quotient", "angle", "sum with a real value", "matrix product"])
def test_what_no_synapse_does_to_complex_numbers_is_refused(use: str) -> None:
    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        z = torch.view_as_complex(m.a(x).reshape(1, 5, 4, 2))
        uses = {
            "function": lambda: torch.view_as_real(z.exp()), "quotient": lambda: torch.view_as_real(z / (z + 1)),
            "angle": lambda: torch.stack([z.angle(), z.abs()], -1), "matrix product": lambda: torch.view_as_real(z @ z.mT),
            "sum with a real value": lambda: (torch.relu(m.a(x)) + 1j).abs(),
        }  # fmt: skip
        return m.b(uses[use]().flatten(1)[:, None, :8])

    model = module(forward, a=nn.Linear(8, 8), b=nn.Linear(8, 2))
    with pytest.raises(UnsupportedModel, match=r"complex|no spiking form"):
        lower(capture(model, (torch.zeros(1, 5, 8),)), (1, 5, 8))


@pytest.mark.parametrize(
    "forward, why",
    [
        (lambda y: y.int().float(), "cut to whole numbers"),
        (lambda y: y.norm(p=3, dim=-1), "a norm of order 3"),
        (lambda y: (y == 0.5).float(), "no threshold schedule"),
        (lambda y: y.masked_fill(y < 0, -torch.inf).softmax(-1), "a mask that depends on the input's values"),
        (lambda y: y**10, "a power with the exponent 10"),
        (lambda y: y**y, "a power whose exponent depends on the input"),
    ],
)
def test_what_no_neuron_computes_is_refused_by_its_reason(forward: Callable[..., torch.Tensor], why: str) -> None:
    model = module(
        lambda m, x: m.b(forward(m.a(x)).reshape(x.shape[0], 5, -1)[..., :1]), a=nn.Linear(8, 8), b=nn.Linear(1, 2)
    )
    with pytest.raises(UnsupportedModel, match=why):
        lowered(model, torch.zeros(1, 5, 8))


class Rounded(nn.Module):
    """What no neuron here computes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.round()


def test_every_refusal_is_listed_with_its_place() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x).floor()

    model = nn.Sequential()
    model.first, model.between, model.second, model.last = Block(), Rounded(), Block(), nn.Linear(8, 2)
    x = torch.zeros(1, 5, 8)
    with pytest.raises(UnsupportedModel) as caught:
        lower(capture(model, (x,)), (1, 5, 8))
    # what follows a refused operation is not refused again
    assert [(r.operation, r.where) for r in caught.value.refusals] == [("floor", "first")]

    class Parallel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.middle, self.right = Block(), Rounded(), Block()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.left(x) + self.middle(x) + self.right(x).sort().values

    with pytest.raises(UnsupportedModel) as caught:
        lower(capture(Parallel(), (x,)), (1, 5, 8))
    rows = [(r.operation, r.where) for r in caught.value.refusals]
    assert rows == [("floor", "left"), ("round", "middle"), ("floor", "right")]
    assert all(r.reason for r in caught.value.refusals)
    for text in ("3 operations", "floor at 'left'", "round at 'middle'", "floor at 'right'"):
        assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_and_weights_are_kept() -> None:
    model = nn.Sequential()
    model.first = nn.Sequential(nn.Linear(8, 6), nn.GELU())
    model.head = nn.Linear(6, 3)
    network = lowered(model.eval(), torch.zeros(1, 5, 8))
    layers = {name: node.op for name, node in network if isinstance(node.op, DenseSynapse)}
    assert list(layers) == ["first.0", "head"]
    for name, op in layers.items():
        layer = model.get_submodule(name)
        assert (op.weight == layer.weight.detach().double().numpy()).all()  # type: ignore[union-attr]
        assert (op.bias == layer.bias.detach().double().numpy()).all()  # type: ignore[union-attr]
    assert network.output == "readout" and isinstance(network["readout"], Readout)


def test_a_layer_used_twice_gets_two_names() -> None:
    layer = nn.Linear(8, 8)
    network = lowered(module(lambda m, x: m.a(torch.relu(m.a(x))), a=layer), torch.zeros(1, 5, 8))
    assert [name for name, node in network if isinstance(node.op, DenseSynapse)] == ["a", "a_2"]


def test_what_the_output_does_not_need_is_dropped() -> None:
    network = lowered(
        module(lambda m, x: (m.a(x), m.b(x))[1], a=nn.Linear(8, 3), b=nn.Linear(8, 3)), torch.zeros(1, 5, 8)
    )
    assert "a" not in network.nodes


def test_parts_that_do_not_depend_on_the_input_are_folded() -> None:
    model = module(
        lambda m, x: m.a(x) + torch.softmax(m.m, -1).cumsum(0).sort().values, a=nn.Linear(8, 8), m=torch.randn(5, 8)
    )
    x = inputs(TOKENS)
    assert error(lowered(model, x), x, one_by_one(model, x), ideal=True) < FLOAT32


def test_what_cannot_be_captured_says_why() -> None:
    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        return m.a(x) if float(x.sum()) > 0 else x

    with pytest.raises(DeployError, match="cannot be captured"):
        capture(module(forward, a=nn.Linear(8, 8)), (torch.zeros(1, 5, 8),))


def test_models_that_no_network_can_be_are_refused() -> None:
    constant = module(lambda m, x: m.m, m=torch.zeros(1, 3))
    with pytest.raises(DeployError, match="does not depend on its input"):
        lowered(constant, torch.zeros(1, 5, 8))

    class Two(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x + y

    captured = capture(Two(), (torch.zeros(1, 3), torch.zeros(1, 3)))
    assert lower(captured, (1, 6)).input_shape == (1, 6)  # side by side
    with pytest.raises(DeployError, match=r"input is \(1, 6\), not \(1, 3\)"):
        lower(captured, (1, 3))


def test_fanout_sends_spikes_to_every_reader() -> None:
    model = module(
        lambda m, x: m.b(F.layer_norm(x + m.a(x) + m.c(torch.relu(m.a(x))), (8,))), c=nn.Linear(8, 8), **two()
    )
    x = inputs(TOKENS)
    network = lower(capture(model, (x[:1],)), (1, *TOKENS), fanout=True)
    assert error(network, x, one_by_one(model, x), ideal=True) < FLOAT32
    graded = {name for name, node in network if node.op.emits == "graded"} | {Network.INPUT}
    streams = [
        n
        for n, node in network
        if node.op.name == "residual" and any(network.origin(i) in graded - {Network.INPUT} for i in node.inputs)
    ]
    assert not streams, "a stream read another stream's graded spikes"


def test_an_additive_mask_leaves_keys_out_of_the_race() -> None:
    """No potential is shifted by the very negative numbers that it is written with, which integers could not hold."""
    mask = torch.full((5, 5), torch.finfo(torch.float32).min).triu(1)
    network = lowered(module(additive, mask=mask, **qkv()), torch.zeros(1, *TOKENS))
    (race,) = [node.op for _, node in network if isinstance(node.op, Woss)]
    assert race.allowed is not None and (race.allowed == np.tril(np.ones((5, 5), bool))).all()
    biases = [node.op.bias for _, node in network if hasattr(node.op, "bias")]
    assert max(np.abs(bias).max() for bias in biases) < 1e3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "forward, broken, instead",
    [
        (lambda m, x: torch.maximum(m.a(x), m.b(x)), "converters.lowering.bounds.activate", lambda call, x, f: x),
        (lambda m, x: torch.minimum(m.a(x), m.b(x)), "converters.lowering.bounds.activate", lambda call, x, f: x),
        (lambda m, x: m.a(x).cumsum(1), "converters.lowering.linear.np.tril", np.triu),
        (lambda m, x: torch.where(m.k, m.a(x), m.b(x)), "converters.lowering.conditions.scale", lambda x, factor: x),
    ],
)
def test_what_they_are_lowered_by_matters(
    forward: Forward, broken: str, instead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the ReLU of a larger value, the triangle of a running sum or the gains of a choice, the network is another."""
    model = module(forward, k=torch.arange(40).reshape(1, 5, 8) % 3 > 0, **two(out=8))
    x = inputs(TOKENS)
    expected = one_by_one(model, x)
    assert error(lowered(model, x), x, expected, ideal=True) < FLOAT32
    monkeypatch.setattr(broken, instead)
    assert error(lowered(model, x), x, expected, ideal=True) > FLOAT32


@pytest.fixture
def visible() -> Iterator[None]:
    """Memory that nothing has been written to holds NaN."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("visible")
@pytest.mark.parametrize("like", ["torch.empty", "new_empty", "empty_like"])
def test_memory_that_is_written_later_brings_nothing_into_the_network(like: str) -> None:
    """Keys of DeepSeek's attention are put together so; what lay there before stood in a bias until it was overwritten."""
    make = {
        "torch.empty": lambda x: torch.empty(x.shape),
        "new_empty": lambda x: x.new_empty(x.shape),
        "empty_like": torch.empty_like,
    }[like]

    def forward(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        x = m.first(x)
        out = make(x)
        out[..., :2] = x[..., 2:]
        out[..., 2:] = x[..., :2]
        return m.second(out)

    x = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3, 4)).astype(np.float32))
    net = module(forward, first=nn.Linear(4, 4), second=nn.Linear(4, 2))
    network = lowered(net, x)
    biases = [node.op.bias for _, node in network if hasattr(node.op, "bias")]
    assert biases and all(np.isfinite(bias).all() for bias in biases)


@pytest.mark.parametrize("output", ["norm", "var", "std", "squares"])
def test_numbers_that_divide_may_be_the_output(output: str) -> None:
    """A root of squares is formed only where it is asked for, and a readout asks for it."""
    outputs: dict[str, Any] = {
        "norm": lambda y: y.norm(dim=-1), "var": lambda y: y.var(-1), "std": lambda y: y.std(1, keepdim=True),
        "squares": lambda y: (y * y).sum(-1),
    }  # fmt: skip
    model, x = module(lambda m, x: outputs[output](m.a(x)), a=nn.Linear(8, 8)), inputs((5, 8))
    expected = one_by_one(model, x)
    assert error(lowered(model, x), x, expected, ideal=True) < FLOAT32
    assert error(spiking(model, x, FINE), x, expected) < CONVERGED


@pytest.mark.parametrize(
    "output, why",
    [
        (lambda y: y.topk(2)[0], "a choice or an order of values"),
        (lambda y: y.mean(), "one number for all samples of a batch"),
        (lambda y: y.sum((0, 1, 2)), "one number for all samples of a batch"),
    ],
)
def test_outputs_that_are_no_values_are_refused_by_their_reason(output: Callable[..., Any], why: str) -> None:
    model = module(lambda m, x: output(m.a(x)), a=nn.Linear(8, 8))
    with pytest.raises(UnsupportedModel, match=why):
        lower(capture(model, (torch.zeros(1, 5, 8),)), (1, 5, 8))


def test_an_output_that_does_not_depend_on_the_input_is_refused() -> None:
    model = module(lambda m, x: (m.b.detach().clone(), m.a(x)), a=nn.Linear(8, 8), b=torch.ones(3))
    with pytest.raises(DeployError, match="does not depend on its input"):
        lower(capture(model, (torch.zeros(1, 5, 8),)), (1, 5, 8))
