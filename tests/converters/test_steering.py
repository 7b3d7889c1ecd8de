"""What steers a model is captured where it does not depend on the input, and refused where it does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.capture import capture
from processes.errors import DeployError
from tests.converters.modules import error, lowered, module, one_by_one
from tests.tolerances import FLOAT32

Forward = Callable[[Any, torch.Tensor], torch.Tensor]
SHAPE = (6, 8)


def grid(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Rows of a grid, whose sizes are a buffer: read one by one, as a list, and as integers."""
    rows = [x[:, : height * width].mean(1) for _, height, width in m.grid]
    rows += [x[:, : height * width].sum(1) for _, height, width in m.grid.tolist()]
    return torch.stack([*rows, x[:, int(m.grid[0, 1])]], 1)


def mask(x: torch.Tensor) -> torch.Tensor:
    """A mask that only takes its shape from the input: all tokens but the second."""
    keep = torch.ones_like(x[..., 0], dtype=torch.bool)
    keep[:, 1] = False
    return keep


def kept_tokens(m: Any, x: torch.Tensor) -> torch.Tensor:
    keep = mask(x)
    return m.a(x[keep]) if keep.any() and not keep.all() else x


def written_tokens(m: Any, x: torch.Tensor) -> torch.Tensor:
    y = m.a(x).clone()
    y[~mask(x)] = 0.5
    y[:, :2][mask(x)[:, :2]] = x[:, 3]
    return y


def windows(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Attention in windows of unequal lengths, of which a table tells the ends, as vision towers have it."""
    ends = F.pad(torch.tensor([2, 4]).cumsum(0), (1, 0))
    parts = torch.split(m.a(x), (ends[1:] - ends[:-1]).tolist(), dim=1)
    return torch.cat([F.scaled_dot_product_attention(part, part, part) for part in parts], 1)


def sized(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Sizes as tensors of one integer."""
    count = m.grid.prod(-1)[0]
    y = m.a(x)[:, : torch.arange(count).numel()].narrow(1, 0, count)
    return F.pad(y, (0, 0, 0, count - 3)).reshape(1, 2 * count - 3, 8) + torch.ones(count - 5).sum()


def repeated(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Tokens repeated as often as a tensor says, and those for which a mask holds, by each of the ways that there are."""
    counts, keep = torch.tensor([2, 0, 1, 1, 3, 1]), mask(x)
    return torch.cat(
        [
            x.repeat_interleave(counts, dim=1), x.masked_select(keep[..., None]).reshape(1, 5, 8),
            x[:, keep.nonzero()[:, 1]], x[torch.where(keep)][None], x[:, torch.unique(counts)],
            x[:, torch.repeat_interleave(counts)], x[:, torch.argwhere(keep[0]).flatten()],
            x[:, : torch.bincount(counts).max()],
        ],
        1,
    )  # fmt: skip


def unlike_when_exported(m: Any, x: torch.Tensor) -> torch.Tensor:
    """A model that goes another way while it is exported, as those of transformers may."""
    return x * 2 if torch.compiler.is_exporting() or torch.compiler.is_compiling() else m.a(x)


STEERED: dict[str, Forward] = {
    "grid": grid, "kept tokens": kept_tokens, "written tokens": written_tokens, "windows": windows, "sizes": sized,
    "repeated": repeated, "unlike when exported": unlike_when_exported,
}  # fmt: skip
ALONE = {"written tokens"}
"""Of these, those that torch.export takes by itself."""


def steered(name: str) -> nn.Module:
    return module(STEERED[name], a=nn.Linear(8, 8), grid=torch.tensor([[1, 2, 3]]))


def samples(count: int = 8) -> torch.Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", STEERED)
def test_what_is_the_same_for_all_inputs_steers(name: str) -> None:
    """The network computes what the model does, for samples other than the one that it was captured with."""
    model, x = steered(name), samples()
    assert error(lowered(model, x), x, one_by_one(model, x), ideal=True) < FLOAT32


@pytest.mark.parametrize("name", STEERED)
def test_the_exporter_alone_refuses_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converters.capture.told", lambda model, example: contextlib.nullcontext())
    if name in ALONE:
        capture(steered(name), (samples(1),))
    else:
        with pytest.raises(DeployError):
            capture(steered(name), (samples(1),))


def filled_by_the_input(m: Any, x: torch.Tensor) -> torch.Tensor:
    """A mask that is created without the input, a part of which is then written by it."""
    keep = torch.zeros(6)
    keep[1:4].copy_(x[0, 1:4, 0])
    return m.a(x) if keep.sum() > 0 else x


DEPENDENT: dict[str, Forward] = {
    "branch": lambda m, x: m.a(x) if (x > 0).any() else x,
    "chosen tokens": lambda m, x: x[:, x[0, :, 0] > 0],
    "number of tokens": lambda m, x: x[:, : (x[0, :, 0] > 0).sum() + 1],
    "repeated tokens": lambda m, x: x.repeat_interleave((x[0, :, 0] > 0).long(), dim=1),
    "written in place": filled_by_the_input,
    "written through a view": lambda m, x: m.a(x) if torch.zeros(3, 6).T.copy_(x[0, :, :3]).T.sum() > 0 else x,
    "through a number": lambda m, x: m.a(x) if torch.full((2,), x.sum().item()).sum() > 0 else x,
    "through a list": lambda m, x: m.a(x) if torch.tensor(x[0, 0].tolist()).sum() > 0 else x,
    "through an array": lambda m, x: m.a(x) if torch.from_numpy(x[0, 0].numpy() + 1).sum() > 0 else x,
    "chance": lambda m, x: m.a(x) if torch.rand(()) > 0.5 else x,
    "chance in place": lambda m, x: m.a(x) if torch.zeros(()).uniform_() > 0.5 else x,
}


@pytest.mark.parametrize("name", DEPENDENT)
def test_what_depends_on_the_input_or_chance_is_refused(name: str) -> None:
    model = module(DEPENDENT[name], a=nn.Linear(8, 8))
    with pytest.raises(DeployError, match=r"the values of its input|depends on the input's|cannot be captured"):
        capture(model, (samples(1),))


def test_a_model_that_does_not_run_says_so() -> None:
    with pytest.raises(DeployError, match="does not run on a sample: ValueError: no"):
        capture(module(_raises), (samples(1),))


def _raises(m: Any, x: torch.Tensor) -> torch.Tensor:
    raise ValueError("no")


def test_the_forward_of_a_model_is_its_own_again() -> None:
    model = steered("grid")
    capture(model, (samples(1),))
    assert "forward" not in vars(model)
