"""What crosses from the host into the network: several inputs side by side, masks as patterns and keys, chosen tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from converters.calibrate import calibrate
from converters.capture import capture
from converters.coverage import built, ideal_error
from converters.discretise import discretise
from converters.families import FAMILIES
from converters.front_end import ChoicePart, FrontEnd, MaskPart, Part, split
from converters.lowering import lower
from converters.lowering.builder import PLAIN
from converters.lowering.equality import EQUAL, check_equal
from converters.masks import pattern_of
from converters.scales import scale_of
from evaluator.closed_form import ClosedForm
from processes.chips import LOIHI2
from processes.errors import DeployError
from processes.network import LoweredNetwork, Network, Woss
from processes.phase_code import PhaseCode
from tests.converters.modules import module
from tests.tolerances import CONVERGED

CAUSAL = torch.ones(4, 4, dtype=torch.bool).tril()
PADDED = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]])


class Small(nn.Module):
    """A module of several arguments."""

    def __init__(self, forward: Callable[..., torch.Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.of = forward
        self.layers = nn.ModuleDict(layers)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self.of(self.layers, a, b)


def attended(keep: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    """Attention of tokens (N, 4, 8) to each other under a mask that ``keep`` makes of an argument."""

    def forward(_: Any, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        y = x[:, None]
        return nn.functional.scaled_dot_product_attention(y, y, y, keep(mask))[:, 0]

    return Small(forward)


def lowered(model: nn.Module, *arguments: torch.Tensor) -> tuple[LoweredNetwork, FrontEnd, np.ndarray]:
    """The network of a model that equals it on every sample, its front end and its inputs."""
    captured = capture(model, tuple(a[:1] for a in arguments))
    front = split(captured).front
    assert front is not None
    samples = front(*arguments)
    network = lower(captured, samples[:1].shape)
    check_equal(captured, network, [a.numpy() for a in arguments], False, PLAIN)
    outputs = ClosedForm(network, torch.float64, ideal=True).run(samples)
    with torch.no_grad():
        expected = model(*arguments).double().reshape(outputs.shape)
    assert float((outputs - expected).abs().max() / expected.abs().max()) < EQUAL
    return network, front, samples


def tokens(samples: int = 3) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(samples, 4, 8)


def raced(network: Network) -> Woss:
    return next(node.op for _, node in network if isinstance(node.op, Woss))


def test_a_causal_mask_with_padding_is_a_pattern_and_keys() -> None:
    network, _, samples = lowered(attended(lambda m: m.bool()[:, None, None, :] & CAUSAL), tokens(), PADDED)
    allowed = raced(network).allowed
    assert allowed is not None and (allowed.reshape(4, 4) == CAUSAL.numpy()).all()
    assert samples.shape == (3, 4, 9) and (samples[..., -1] == PADDED.numpy()).all()  # one feature says who takes part


def test_without_its_pattern_the_network_is_another() -> None:
    """Negative control of the comparison in ``lowered``."""
    model = attended(lambda m: m.bool()[:, None, None, :] & CAUSAL)
    captured = capture(model, (tokens()[:1], PADDED[:1]))
    network = lower(captured, (1, 4, 9))
    name = next(name for name, node in network if isinstance(node.op, Woss))
    network.put(name, Woss(**{**vars(network[name]), "allowed": None}))
    with pytest.raises(DeployError, match="differs from the model"):
        check_equal(captured, network, [tokens()[:1].numpy(), PADDED[:1].numpy()], False, PLAIN)


def test_a_bias_that_comes_with_the_mask_is_a_constant() -> None:
    bias = torch.randn(1, 1, 4, 4)
    network, _, _ = lowered(attended(lambda m: bias + (1.0 - m[:, None, None, :].float()) * -1e9), tokens(), PADDED)
    assert len(network.nodes[next(n for n, node in network if isinstance(node.op, Woss))].inputs) == 2


def test_a_boolean_mask_that_says_who_is_left_out() -> None:
    def forward(_: Any, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        logits = (x @ x.mT).masked_fill(mask[:, None] == 0, -torch.inf)
        return logits.softmax(-1) @ x

    lowered(Small(forward), tokens(), PADDED)


def test_padding_attends_as_its_pattern_does() -> None:
    """Rows without any key, which belong to padding, change nothing in what others give."""

    def forward(_: Any, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        pairs = (mask[:, :, None] * mask[:, None, :])[:, None]
        y, keep = x[:, None], torch.finfo(torch.float32).min * (1.0 - pairs.float())
        return nn.functional.scaled_dot_product_attention(y, y, y, keep)[:, 0, :2]

    lowered(Small(forward), tokens(), PADDED)


def test_masks_that_are_no_pattern_are_refused() -> None:
    diagonal = attended(lambda m: (m[:, None, :, None] == m[:, None, None, :]) | torch.eye(4, dtype=torch.bool))
    front = split(capture(diagonal, (tokens()[:1], PADDED[:1]))).front
    assert front is not None
    front(tokens()[:1], PADDED[:1])
    with pytest.raises(DeployError, match="differs between rows"):
        front(tokens(), PADDED)


def test_a_token_without_keys_is_refused() -> None:
    band = CAUSAL & ~torch.ones(4, 4, dtype=torch.bool).tril(-2)
    front = split(capture(attended(lambda m: m.bool()[:, None, None, :] & band), (tokens()[:1], PADDED[:1]))).front
    assert front is not None
    front(tokens()[:2], PADDED[:2])
    with pytest.raises(DeployError, match="without any key"):
        front(tokens(), PADDED)


def test_the_example_alone_makes_no_pattern() -> None:
    """Its padding would be taken for a pattern, and later samples refused or changed."""
    full, padded = CAUSAL, CAUSAL & torch.tensor([True, True, True, False])
    assert torch.equal(pattern_of([padded, full], False).allowed, CAUSAL)
    with pytest.raises(DeployError, match="differs between rows"):
        pattern_of([padded, ~full], False)


def two_ranges() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """An image whose values are below 1, and features a thousand times as large; calibrated and judged on 64 samples."""
    torch.manual_seed(1)

    def forward(layers: Any, image: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        return torch.relu(layers["image"](image).flatten(1) + 1e-3 * layers["features"](features))

    model = Small(forward, image=nn.Conv2d(3, 2, 2, 2), features=nn.Linear(5, 8, bias=False))
    return model, torch.rand(64, 3, 4, 4), 1000 * torch.randn(64, 5)


def test_inputs_side_by_side_are_each_coded_by_their_own_scales() -> None:
    model, image, features = two_ranges()
    network, front, samples = lowered(model, image, features)
    assert samples.shape == (64, 3 * 4 * 4 + 5) and "2 inputs side by side" in front.what
    coded = calibrate(network, samples, PhaseCode(1.02, 400))
    shapes = {
        coded.shape(n): scale_of(coded, n).shape for n, _ in coded if coded.codes_input(n) and coded[n].name != "route"
    }
    assert shapes[(1, 3, 4, 4)] == (1, 3, 1, 1) and shapes[(1, 5)] == (1, 5)
    with torch.no_grad():
        expected = model(image, features).double()

    def off(of: Network) -> float:
        runner = ClosedForm(of, torch.float64)
        found = runner.real(runner.run(samples)).reshape(expected.shape)
        return float((found - expected).norm() / expected.norm())

    assert off(coded) < CONVERGED and off(discretise(coded, samples, LOIHI2)) < CONVERGED


def test_a_token_that_the_input_chooses() -> None:
    def forward(layers: Any, x: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        return layers["out"](torch.relu(layers["first"](x)))[torch.arange(x.shape[0]), last.sum(-1) - 1]

    model = Small(forward, first=nn.Linear(8, 8), out=nn.Linear(8, 3))
    captured = capture(model, (tokens()[:1], PADDED[:1]))
    assert any(isinstance(part, ChoicePart) for part in split(captured).crossing.values())
    network, front, samples = lowered(model, tokens(), PADDED)
    other = front(tokens(), PADDED.flip(0))  # negative control: another token is another output
    runner = ClosedForm(network, torch.float64, ideal=True)
    assert not torch.allclose(runner.run(samples), runner.run(other))


def test_an_integer_that_is_no_index_is_refused() -> None:
    model = Small(lambda _, x, n: x * torch.relu(n.float().cumsum(-1))[..., None] + torch.roll(x, 1, 1))
    assert any(isinstance(part, Part) for part in split(capture(model, (tokens()[:1], PADDED[:1]))).crossing.values())
    sliced = Small(lambda _, x, n: torch.take_along_dim(x, n[..., None] % 4, 1))
    with pytest.raises(DeployError, match="only as an index"):
        split(capture(sliced, (tokens()[:1], PADDED[:1])))


def test_keys_enter_once_for_all_layers_that_mask_by_them() -> None:
    """T5's encoder and its decoder's cross attention leave out the same keys, the decoder's own attention none."""
    family = next(f for f in FAMILIES if f.name == "transformers T5")
    model, arguments = built(family)
    parts = split(capture(model, tuple(a[:1] for a in arguments)))
    masks = [part for part in parts.crossing.values() if isinstance(part, MaskPart)]
    assert len(masks) > 1 and len({str(part.keys) for part in masks}) == 1 and parts.front is not None
    network, _, _ = ideal_error(family)
    samples, runner = parts.front(*arguments), ClosedForm(network, torch.float64, ideal=True)
    everybody = samples.copy()
    everybody[:, -9:] = 1  # negative control: padding that takes part is seen by the decoder
    assert not torch.allclose(runner.run(samples), runner.run(everybody))


def test_masks_of_one_group_that_part_are_refused() -> None:
    """The decoder's mask was the encoder's in every trial, and then is not."""

    def forward(_: Any, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        y, other = x[:, None], torch.where(mask > 3, 0, mask)
        for keep in (mask, other):
            y = nn.functional.scaled_dot_product_attention(y, y, y, keep.bool()[:, None, None, :])
        return y[:, 0]

    front = split(capture(Small(forward), (tokens()[:1], PADDED[:1]))).front
    assert front is not None
    front(tokens(), PADDED)
    with pytest.raises(DeployError, match="differs between layers"):
        front(tokens(), PADDED + 3 * torch.tensor([1, 0, 0, 0]))


def test_a_shape_that_follows_from_the_values_of_the_input_is_refused() -> None:
    class Chosen(nn.Module):
        def forward(self, x: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
            return x[0, kept[0] > 0].sum(0, keepdim=True)

    with pytest.raises(
        DeployError, match=r"the shape of what `aten\.\w+\.Tensor` gives at '.*' depends on the input's values"
    ):
        capture(Chosen(), (torch.rand(1, 4, 8), torch.ones(1, 4, dtype=torch.int64)))


def test_positions_are_looked_up_by_index_select() -> None:
    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.mix = nn.Embedding(9, 8), nn.Linear(8, 8)
            self.register_buffer("table", torch.randn(6, 8, generator=torch.Generator().manual_seed(0)))

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            there = (ids != 1).int()
            positions = there.cumsum(1) * there
            found = self.get_buffer("table").index_select(0, positions.reshape(-1)).reshape(*ids.shape, 8)
            return self.mix(self.tokens(ids) + found)

    torch.manual_seed(0)
    model, ids = Positions().eval(), torch.tensor([[4, 5, 6, 1], [4, 1, 1, 1]])
    captured = capture(model, (ids[:1],))
    front = split(captured).front
    assert front is not None
    runner = ClosedForm(lower(captured, front.shape), torch.float64, ideal=True)
    with torch.no_grad():
        torch.testing.assert_close(runner.real(runner.run(front(ids))).float()[:, 0], model(ids))


def test_a_model_whose_outputs_depend_on_chance_is_refused() -> None:
    """Even where a draw is the same by chance once in two; random numbers that change nothing are no matter."""

    def chosen(m: Any, x: torch.Tensor) -> torch.Tensor:
        return m.a(x[:, torch.rand(2).argsort()[0]])

    def reordered(m: Any, x: torch.Tensor) -> torch.Tensor:
        return m.a(x[:, torch.rand(2).argsort()]).sum(1)

    for seed in range(3):
        torch.manual_seed(seed)
        with pytest.raises(DeployError, match="it draws random numbers"):
            capture(module(chosen, a=nn.Linear(4, 3)), (torch.rand(1, 2, 4),))
    capture(module(reordered, a=nn.Linear(4, 3)), (torch.rand(1, 2, 4),))


def test_a_model_that_behaves_otherwise_while_it_is_traced_is_refused() -> None:
    class Traced(nn.Module):
        def __init__(self, otherwise: float) -> None:
            super().__init__()
            self.layer, self.otherwise = nn.Linear(4, 3), otherwise

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            y = self.layer(x)
            return (self.otherwise * y if type(x) is not torch.Tensor else y), x  # the exporter's are of another type

    torch.manual_seed(0)
    capture(Traced(1.0), (torch.rand(1, 4),))
    with pytest.raises(DeployError, match=r"gives other outputs than the model itself, by 0\.5 of the largest"):
        capture(Traced(0.5), (torch.rand(1, 4),))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_on_the_way_is_not_kept(dtype: torch.dtype) -> None:
    class Autocast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cpu", dtype=dtype):
                return self.second(self.first(x).relu()).float()

    torch.manual_seed(0)
    model, x = Autocast(), torch.rand(1, 4)
    captured = capture(model, (x,))
    dtypes = [argument for node in captured.graph.nodes for argument in (*node.args, *node.kwargs.values())]
    assert dtype not in dtypes and torch.float32 in dtypes
    network = lower(captured, (1, 4))
    found = ClosedForm(network, torch.float64, ideal=True)
    full = model.second(model.first(x).relu())
    torch.testing.assert_close(found.real(found.run(x)).float()[:, 0], full)
    assert (full - model(x)).abs().max() > 1e-5, "the model itself rounds"


def test_a_model_that_gives_no_values_is_refused() -> None:
    class Short(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, 4:]

    with pytest.raises(DeployError, match=r"gives no values at all, a tensor of \(1, 0\)"):
        capture(Short(), (torch.rand(1, 4),))
