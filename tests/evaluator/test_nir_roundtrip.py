"""graph.nir: what is read back is what was written, bit for bit; what is not ours is refused in one line."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.discretise import discretise
from evaluator.closed_form import ClosedForm
from processes.chips import LOIHI2
from processes.errors import DeployError
from processes.network import Network
from processes.operation import VERSION
from processes.phase_code import PhaseCode
from tests.converters.modules import images, module, small_vit, spiking

CODE = PhaseCode(1.15, 40)


def same(a: Any, b: Any, where: str) -> None:
    """Equal in type, dtype, shape and every bit."""
    assert type(a) is type(b), where
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes(), where
    elif hasattr(a, "__dataclass_fields__"):
        for field in a.__dataclass_fields__:
            same(getattr(a, field), getattr(b, field), f"{where}.{field}")
    else:
        assert a == b, where


def check_same(written: Network, read: Network) -> None:
    written = written.kept()
    assert list(written.nodes) == list(read.nodes) and written.input_shape == read.input_shape
    assert written.header == read.header
    for name, node in written:
        assert node.inputs == read.nodes[name].inputs
        same(node.op, read[name], name)


def round_trip(network: Network, path: Path) -> Network:
    nir.write(path, network.to_nir())
    return Network.from_nir(nir.read(path, type_check=False))


def masked() -> nn.Module:
    """Every kind of synapse and route, a mask and a bias on attention."""
    return module(
        lambda m, x: m.o(
            x + F.scaled_dot_product_attention(m.a(x), m.b(x), m.g * F.relu(m.a(x)).roll(1, 1),
            attn_mask=m.mask) * m.g
        ).mean(1),
        a=nn.Linear(8, 8), b=nn.Linear(8, 8), o=nn.Linear(8, 3), g=torch.tensor([0.7]),
        mask=torch.randn(5, 5).masked_fill(torch.ones(5, 5, dtype=torch.bool).triu(2), -torch.inf),
    )  # fmt: skip


@pytest.fixture(scope="module", params=["vit", "masked", "conv"])
def calibrated(request: pytest.FixtureRequest) -> tuple[Network, torch.Tensor]:
    if request.param == "vit":
        model, x = small_vit(), torch.from_numpy(images(8))
    elif request.param == "masked":
        model, x = masked(), torch.randn(8, 5, 8)
    else:
        model = module(
            lambda m, x: F.relu(m.d(F.gelu(m.c(x)))).mean((-1, -2)), c=nn.Conv2d(2, 4, 3, padding=1),
            d=nn.Conv2d(4, 4, (3, 2), stride=2, dilation=(2, 1), groups=2),
        )  # fmt: skip
        x = torch.randn(8, 2, 9, 9)
    return spiking(model, x, CODE), x


@pytest.mark.parametrize("fixed", [False, True])
def test_round_trip_is_bit_exact(calibrated: tuple[Network, torch.Tensor], fixed: bool, tmp_path: Path) -> None:
    network, x = calibrated
    if fixed:
        network = discretise(network, x.numpy(), LOIHI2)
    network.header = replace(network.header, host="embeds tokens", others={"model": "a name"})
    read = round_trip(network, tmp_path / "graph.nir")
    check_same(network, read)
    check_same(read, round_trip(read, tmp_path / "again.nir"))
    assert (ClosedForm(read).run(x) == ClosedForm(network).run(x)).all()


def test_synapses_are_nir_nodes_that_any_reader_knows(calibrated: tuple[Network, torch.Tensor]) -> None:
    graph = calibrated[0].to_nir()
    kinds = {type(node).__name__ for node in graph.nodes.values()}
    assert kinds <= {"Input", "Output", "Affine", "Conv2d", "NIRGraph"} and kinds & {"Affine", "Conv2d"}
    assert set(graph.nodes) == {name for edge in graph.edges for name in edge}


def damage(network: Network, what: str) -> nir.NIRGraph:
    graph = copy.deepcopy(network.to_nir())
    nodes = graph.nodes
    neuron = next(n for n in nodes if nodes[n].metadata.get("op") == "phase_neuron")
    match what:
        case "no format":
            del graph.metadata["format"]
        case "newer":
            graph.metadata["format"] = VERSION + 1
        case "format is text":
            graph.metadata["format"] = "one"
        case "no input":
            del nodes["input"]
        case "unknown op":
            nodes[neuron].metadata["op"] = "phase_neurone"
        case "no op":
            del nodes[neuron].metadata["op"]
        case "no operands":
            del nodes[neuron].metadata["operands"]
        case "no schedule":
            del nodes[neuron].metadata["schedule"]
        case "no field in schedule":
            del nodes[neuron].metadata["schedule"]["scale"]
        case "no schedule type":
            nodes[neuron].metadata["schedule"]["type"] = "Later"
        case "operand missing":
            nodes[neuron].metadata["operands"] = "9999.nothing"
        case "node missing":
            del nodes[neuron]
        case _:
            graph.nodes = {"input": nodes["input"], "output": nodes["output"]}
    return graph


@pytest.mark.parametrize(
    "what",
    [
        "no format", "newer", "unknown op", "no op", "no schedule", "no field in schedule",
        "no schedule type", "operand missing", "node missing",
        "format is text", "no input", "no operands", "empty",
    ],
)  # fmt: skip
def test_damaged_graphs_are_refused(what: str) -> None:
    network = spiking(module(lambda m, x: m.a(x), a=nn.Linear(8, 3)), torch.randn(4, 5, 8), CODE)
    with pytest.raises(DeployError) as caught:
        Network.from_nir(damage(network, what))
    assert "\n" not in str(caught.value)


def test_a_foreign_graph_is_refused(tmp_path: Path) -> None:
    graph = nir.NIRGraph.from_list(nir.Affine(np.ones((2, 3)), np.zeros(2)), nir.Threshold(np.ones(2)))
    path = tmp_path / "foreign.nir"
    nir.write(path, graph)
    with pytest.raises(DeployError, match=r"is no converted network, .* `deploy run FILE\.nir` runs it"):
        Network.from_nir(nir.read(path))


def test_weights_are_stored_once(tmp_path: Path) -> None:
    """The file is not much larger than the arrays in it."""
    model = module(lambda m, x: m.a(x), a=nn.Linear(256, 256))
    network = spiking(model, torch.randn(4, 256), CODE)
    nir.write(tmp_path / "graph.nir", network.to_nir())
    sizes: list[int] = []
    with h5py.File(tmp_path / "graph.nir") as file:
        file.visititems(
            lambda _, item: sizes.append(item.size) if isinstance(item, h5py.Dataset) and item.size else None
        )
    assert sum(n >= 256 * 256 for n in sizes) == 1
