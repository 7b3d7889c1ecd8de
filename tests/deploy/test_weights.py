"""Weights as training frameworks leave them: found among what lies beside them, never by running code."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

from deploy.errors import DeployError
from deploy.sources import load_model
from deploy.sources.weights import put_weights, read_weights


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))


def prefixed(start: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {start + name: tensor for name, tensor in tensors.items()}


class Trainer:
    """A class of somebody's training script; unpickling it by the book would import this file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return mark, (self.marker,)


def mark(path: Path) -> None:
    path.write_text("ran")


def checkpoints(tensors: dict[str, torch.Tensor], marker: Path) -> dict[str, Any]:
    model = net()
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(2, 4)).sum().backward()
    optimiser.step()
    beside = {"epoch": 3, "optimizer": optimiser.state_dict(), "metric": np.float64(71.2), "loss": torch.tensor(0.5)}
    return {
        "timm": beside | {"arch": "x", "version": 2, "args": argparse.Namespace(lr=0.1), "state_dict": tensors},
        "ddp": {"model": prefixed("module.", tensors), "args": argparse.Namespace()},
        "lightning": beside
        | {
            "state_dict": prefixed("model.", tensors) | {"criterion.weight": torch.ones(2)},
            "hyper_parameters": {"trainer": Trainer(marker)}, "callbacks": {}, "optimizer_states": [optimiser.state_dict()],
        },
        "lightning, net": {"state_dict": prefixed("net.", tensors), "global_step": 7},
        "compiled ddp": {"state_dict": prefixed("module._orig_mod.", tensors)},
        "average": prefixed("module.", tensors) | {"n_averaged": torch.tensor(5)},
        "same twice": {"state_dict": tensors, "state_dict_ema": {n: t.clone() for n, t in tensors.items()}},
        "deeper": {"checkpoint": {"model": tensors, "optimizer": optimiser.state_dict()}},
        "flat": tensors | {"epoch": 3, "name": "x"},
    }  # fmt: skip


KINDS = tuple(checkpoints(net().state_dict(), Path("x")))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["w.pth.tar", "w.ckpt"])
def test_checkpoints_are_unwrapped(tmp_path: Path, kind: str, name: str) -> None:
    wanted = {key: torch.rand_like(value.float()) for key, value in net().state_dict().items() if value.ndim}
    torch.save(checkpoints(wanted, tmp_path / "marker")[kind], tmp_path / name)
    module = net()
    put_weights(module, read_weights(tmp_path / name), tmp_path / name, "net")
    assert all(torch.equal(module.state_dict()[key], value) for key, value in wanted.items())
    assert not (tmp_path / "marker").exists()


def test_several_sets_are_refused_and_can_be_named(tmp_path: Path) -> None:
    first, other = ({"0.weight": torch.full((3, 4), v), "0.bias": torch.ones(3)} for v in (1.0, 2.0))
    path = tmp_path / "w.pth.tar"
    torch.save({"state_dict": first, "state_dict_ema": other}, path)
    with pytest.raises(
        DeployError, match=r"several sets of weights, state_dict, state_dict_ema; say which .*::state_dict"
    ):
        read_weights(path)
    assert torch.equal(read_weights(Path(f"{path}::state_dict_ema"))["0.weight"], other["0.weight"])
    with pytest.raises(DeployError, match="holds no weights `ema`; it holds state_dict, state_dict_ema"):
        read_weights(Path(f"{path}::ema"))
    torch.save(prefixed("student.", first) | prefixed("teacher.", other), path)
    with pytest.raises(DeployError, match=r"several times, under student\., teacher\."):
        put_weights(nn.Sequential(nn.Linear(4, 3)), read_weights(path), path, "net")


def test_what_lies_under_the_models_prefix_has_to_be_the_models(tmp_path: Path) -> None:
    tensors = prefixed("model.", {"0.weight": torch.ones(3, 4), "0.bias": torch.ones(3), "1.weight": torch.ones(2)})
    torch.save(tensors, tmp_path / "w.pt")
    with pytest.raises(DeployError, match=r"1 unexpected \(1.weight\)"):
        put_weights(nn.Sequential(nn.Linear(4, 3)), read_weights(tmp_path / "w.pt"), tmp_path / "w.pt", "net")


def test_timm_counts_classes_under_any_prefix(tmp_path: Path) -> None:
    tuned = timm.create_model("vit_tiny_patch16_224", num_classes=7)
    torch.save({"state_dict": prefixed("net.module.", tuned.state_dict()), "epoch": 1}, tmp_path / "w.pth.tar")
    loaded = load_model("timm:vit_tiny_patch16_224", tmp_path / "w.pth.tar")
    assert loaded.classes == 7
    assert torch.equal(loaded.module.state_dict()["model.head.weight"], tuned.state_dict()["head.weight"])
