"""Codes of single layers: what is given is in the network, the rest is chosen as before, what cannot be is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

import deploy
from converters.overrides import Override, by_layer
from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.options.config import FILE, read, written
from processes.network import Network, PhaseNeuron

LAYERS = ["input.neuron", "blocks.0.mlp.gelu", "blocks.1.mlp.gelu", "blocks.1.softmax"]


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 3))


def codes(network: Network) -> dict[str, tuple[float, int]]:
    """Base and spikes of every phase neuron."""
    return {name: (node.op.schedule.base, node.op.spikes) for name, node in network if isinstance(node.op, PhaseNeuron)}


def converted(**options: Any) -> dict[str, tuple[float, int]]:
    torch.manual_seed(1)
    return codes(deploy.convert(net(), torch.rand(24, 6), timesteps=16, precision="float", **options).network)


@pytest.mark.parametrize("spikes", [1, 2, "auto"])
def test_what_is_given_is_what_the_network_has(spikes: Any) -> None:
    usual = converted(spikes=spikes)
    names = list(usual)
    given = converted(spikes=spikes, overrides={"*": {"base": 1.33}, names[-1]: {"spikes": 3}})
    assert set(given) == set(usual) and {base for base, _ in given.values()} == {1.33}  # a base that is never tried
    assert given[names[-1]][1] == 3 != usual[names[-1]][1]
    one = converted(spikes=spikes, overrides={names[-1]: {"base": 1.33, "spikes": 1}})
    assert one[names[-1]] == (1.33, 1)
    if spikes != "auto":  # which shares one budget of spikes among all
        assert {name: code for name, code in one.items() if name != names[-1]} == {n: usual[n] for n in names[:-1]}


def test_the_later_pattern_goes_first() -> None:
    found = by_layer({"blocks.*": Override(1.2, 2), "*.softmax": Override(spikes=1)}, LAYERS)
    assert found == {LAYERS[1]: Override(1.2, 2), LAYERS[2]: Override(1.2, 2), LAYERS[3]: Override(1.2, 1)}


def test_a_pattern_that_matches_nothing_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        DeployError, match=r"`blocks\.0\.mlp\.gelo` matches no layer that fires; nearest are blocks\.0\.mlp\.gelu"
    ):
        by_layer({"blocks.0.mlp.gelo": Override(1.2)}, LAYERS)
    with pytest.raises(DeployError, match="matches no layer that fires"):
        converted(overrides={"nowhere": {"base": 1.2}})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"*": {"timesteps": 1}}, "timesteps is 1; give a whole number from 2 to"),
        ({"*": {"timesteps": 8.5}}, "timesteps is 8.5"),
        ({"*": {"timesteps": "auto"}}, "timesteps is 'auto'"),
        ({"*": {"precision": "float"}}, "one arithmetic"),
        ({"*": {"spikes": 4}}, "spikes is 4; give 1, 2 or 3"),
        ({"*": {"spikes": True}}, "spikes is True"),
        ({"*": {"base": 1.0}}, "above 1 and at most 2"),
        ({"*": {"base": float("nan")}}, "above 1 and at most 2"),
        ({"*": {"B": 1.2}}, "no setting `B`; known are base, spikes, timesteps"),
        ({"*": 3}, "no table of settings"),
        ("{", "no readable YAML"),
        ("3", "no table of patterns"),
    ],
)
def test_what_cannot_be_meant(given: Any, why: str) -> None:
    with pytest.raises(DeployError, match=why):
        ConvertOptions(overrides=given).check(["closed-form"])


def test_digits_have_one_code() -> None:
    with pytest.raises(DeployError, match="--method sit has one code for all layers"):
        ConvertOptions(method="sit", overrides={"*": {"spikes": 2}}).check(["closed-form"])


def test_a_run_is_repeated_from_its_file(tmp_path: Path) -> None:
    asked = ConvertOptions(overrides={"blocks.*": {"spikes": 2, "base": 1.3}})
    (tmp_path / FILE).write_text(written(asked.record()))
    assert yaml.safe_load((tmp_path / FILE).read_text())["overrides"] == asked.overrides
    assert read(tmp_path / FILE, ConvertOptions)["overrides"] == asked.overrides
    text = ConvertOptions(overrides='{"blocks.*": {spikes: 2, base: 1.3}}')
    assert text.by_layer == asked.by_layer
