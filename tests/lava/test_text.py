"""Text models on Lava: embeddings and the padding mask enter together, and every spike is the closed form's."""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
import pytest
import torch

from converters.coverage import spread
from converters.families import WORDS, hugging
from converters.pipeline import Conversion, convert_module, network_input
from evaluator.closed_form import ClosedForm
from evaluator.compare import compare
from processes.network import Network, Woss
from targets import lava_sim
from targets.partition import by_block
from targets.placement import place
from targets.placement.chip import load_chip

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers, while it builds and exports models


@pytest.fixture(scope="module", params=[pytest.param(1, marks=pytest.mark.exhaustive), 2])
def text(request: pytest.FixtureRequest) -> tuple[Conversion, np.ndarray]:
    """A BERT of two blocks with one or two spikes a value, and the input of two sentences of different lengths."""
    model, arguments = spread(hugging("Bert", "Model", **WORDS | {"num_hidden_layers": 2}))
    numbers = [argument.numpy() for argument in arguments]
    conversion = convert_module(
        model, [a[:8] for a in numbers], 10, 1.5, spikes=request.param, input_spikes=request.param
    )
    lengths = numbers[1].sum(1)
    order = np.argsort(lengths, kind="stable")[[0, -1]]
    assert lengths[order[0]] < lengths[order[1]]
    return conversion, network_input(conversion.front, [a[order] for a in numbers])


@pytest.mark.parametrize(
    ("precision", "granularity"),
    [("fixed", "block"), ("fixed", "operation"), ("float", "block"),
     pytest.param("float", "operation", marks=pytest.mark.exhaustive)],
)  # fmt: skip
def test_lava_gives_the_spikes_of_the_closed_form(
    text: tuple[Conversion, np.ndarray], granularity: str, precision: str
) -> None:
    conversion, samples = text
    network = conversion.calibrated if precision == "float" else conversion.fixed
    assert network is not None
    assert any(len(node.inputs) == 2 for _, node in network if isinstance(node.op, Woss))
    run = lava_sim.run(network, samples, granularity)
    found = compare(network, samples, run)
    assert found.mismatches == 0, found.first
    assert found.compared_spikes > 2000 and (precision == "float" or found.ties == 0)


def test_every_block_is_a_part_of_its_own(text: tuple[Conversion, np.ndarray]) -> None:
    """Those that let tokens race take the input beside their predecessor's output, for the mask in it."""
    parts = by_block(text[0].network)
    assert [part.sources[1:] for part in parts].count([Network.INPUT]) == 2
    assert len(parts) >= 3


def test_a_masked_network_is_placed(text: tuple[Conversion, np.ndarray]) -> None:
    """Which keys take part comes straight from the input, past every population."""
    placement = place(text[0].network, load_chip("loihi2"))
    assert placement.fits and placement.cores >= len(placement.layers)


def test_a_masked_network_survives_its_nir_file(text: tuple[Conversion, np.ndarray], tmp_path: Path) -> None:
    conversion, samples = text
    nir.write(tmp_path / "graph.nir", conversion.network.to_nir())
    restored = Network.from_nir(nir.read(tmp_path / "graph.nir", type_check=False))
    outputs = [ClosedForm(network, torch.float64).run(samples) for network in (conversion.network, restored)]
    assert torch.equal(*outputs)
    padded = samples.copy()
    padded[0, samples[0, :, -1] == 0, :-1] = 9.0  # whatever stands where a sentence is padded
    kept = torch.from_numpy(samples[0, :, -1] == 1)
    there = ClosedForm(restored, torch.float64).run(padded)[0].reshape(len(kept), -1)
    assert torch.equal(there[kept], outputs[0][0].reshape(len(kept), -1)[kept])
