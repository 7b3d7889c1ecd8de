"""Placement: what it counts is what the connections are, one by one, and every tile fits its core."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters.calibrate import calibrate
from converters.capture import capture
from converters.discretise import discretise
from converters.lowering import lower
from converters.pipeline import Variant, convert_module
from deploy.cli import main
from evaluator.network_file import write
from processes.chips import LOIHI2
from processes.errors import DeployError
from processes.footprint import Amount
from processes.network import Network
from processes.phase_code import PhaseCode
from processes.populations import Connection, Population, populations
from processes.readout import Readout
from targets.placement import Placement, largest_tile, place, use_of
from targets.placement.chip import CORE_LIMITS, NAMES, ChipTable, load_chip
from targets.placement.edges import edges
from tests.converters.modules import apart, gated, images, massive, mixture, module, small_vit, spiking, uneven
from tests.deploy.reports import conversion


@cache
def small_network() -> Network:
    samples = images(4)
    network = lower(capture(small_vit(), (torch.from_numpy(samples[:1]),)), (1, 1, 12, 12))
    network = calibrate(network, samples, PhaseCode(2.0, 4))
    return discretise(network, samples, LOIHI2)


@cache
def convolutions() -> Network:
    """Grouped, strided, padded convolutions, pooling and a dense layer."""

    def forward(self, x):
        return self.fc(self.second(torch.relu(self.first(x))).relu().mean((2, 3)))

    parts = {
        "first": nn.Conv2d(1, 4, 3, stride=2, padding=1), "second": nn.Conv2d(4, 6, 3, groups=2), "fc": nn.Linear(6, 3),
    }  # fmt: skip
    return spiking(module(forward, **parts), torch.from_numpy(images(4)), PhaseCode(1.4, 8))


@cache
def frames() -> Network:
    """Convolutions along three axes: those of several images in one sample, grouped and not, and their largest pixels."""

    def forward(self, x):
        y = self.first(x).reshape(1, 2, 3, 5, 5)  # two channels of three frames
        y = self.third(self.second(y).relu())  # (1, 4, 3, 5, 5)
        return self.fc(nn.functional.max_pool3d(y, (1, 2, 2)).flatten(1))

    parts = {
        "first": nn.Conv2d(1, 6, 3, stride=2), "second": nn.Conv3d(2, 4, 3, padding=1), "fc": nn.Linear(48, 3),
        "third": nn.Conv3d(4, 4, (2, 1, 3), padding=(1, 0, 1), dilation=(2, 1, 1), groups=2),
    }  # fmt: skip
    x = images(4)
    return discretise(spiking(module(forward, **parts), torch.from_numpy(x), PhaseCode(1.4, 8), spikes=2), x, LOIHI2)


@cache
def maxima() -> Network:
    """Max pooling in windows that overlap and are dilated, of what a residual and a convolution read, and over all pixels."""

    def forward(self, x):
        y = nn.functional.max_pool2d(self.first(x).relu(), 3, 2, 1)
        return self.fc((y + nn.functional.max_pool2d(self.second(y), (2, 3), 1, (1, 1), (2, 1))).amax((2, 3)))

    parts = {"first": nn.Conv2d(1, 4, 3), "second": nn.Conv2d(4, 4, 3, padding=1), "fc": nn.Linear(4, 3)}
    x = images(4)
    return discretise(spiking(module(forward, **parts), torch.from_numpy(x), PhaseCode(1.4, 8), spikes=2), x, LOIHI2)


@cache
def by_sit() -> Network:
    """Exponentials and shares of SI neurons instead of a race."""
    variant = Variant(method="sit", activation="fitted")
    return convert_module(
        small_vit(), [images(4)], 8, 2.0, spikes=2, input_spikes=2, fixed=True, variant=variant
    ).network


@cache
def gates() -> Network:
    """Elementwise products of two populations."""
    x = images(4)
    return discretise(spiking(gated(), torch.from_numpy(x), PhaseCode(1.6, 6)), x, LOIHI2)


@cache
def massive_feature() -> Network:
    """Squares whose sum has a second word, of two spikes a value."""
    x = np.random.default_rng(0).normal(size=(16, 3, 4)).astype(np.float32)
    fixed = discretise(spiking(massive(), torch.from_numpy(x), PhaseCode(1.4, 16), spikes=2), x, LOIHI2)
    assert any(getattr(node.op, "fraction_bits", 0) for _, node in fixed)
    return fixed


@cache
def uneven_attention() -> Network:
    """Windows of unequal length, of both sides of every product too, in softmax, norms and residual streams."""
    x = np.random.default_rng(0).normal(size=(4, 3, 4)).astype(np.float32)
    return discretise(uneven(apart(), torch.from_numpy(x), spikes=2), x, LOIHI2)


@cache
def uneven_gates(spikes: int = 2) -> Network:
    """Windows of unequal length of what meets in elementwise products, one side of which comes later."""
    x = images(4)
    return discretise(uneven(gated(), torch.from_numpy(x), spikes), x, LOIHI2)


def mixtures(biased: bool = True) -> Network:
    """Groups of scores, of either sign if ``biased``, of which those that say the most gate what others say."""
    x = np.random.default_rng(0).normal(size=(8, 3, 4)).astype(np.float32)
    return discretise(spiking(mixture(biased=biased), torch.from_numpy(x), PhaseCode(1.4, 8), spikes=2), x, LOIHI2)


NETWORKS = {
    "vit": small_network, "convolutions": convolutions, "frames": frames, "maxima": maxima, "sit": by_sit, "gates": gates,
    "mixtures": lambda: mixtures(False), "uneven gates": lambda: uneven_gates(1),
}  # fmt: skip


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Network:
    return NETWORKS[request.param]()


def tiny(**limits: int | None) -> ChipTable:
    """Loihi 2's features with a core so small that everything is split."""
    table = load_chip("loihi2")
    return ChipTable(table.name, table.title, table.mesh, table.limits | limits, table.features, table.sources)


def test_counts_are_those_of_the_single_connections(network: Network) -> None:
    found = {population.name: population for population in populations(network)}
    for population in found.values():
        for c in population.connections:
            pre, post = edges(network, population, c)
            expected = c.unrolled.of(population.rows, population.columns)
            fan_in, fan_out = np.bincount(post), np.bincount(pre)
            if c.kind == "convolution":  # at the border kernels hang over
                assert len(pre) <= expected and fan_in.max() == c.fan_in and fan_out.max() <= c.fan_out
                continue
            padding = population.name.startswith("cat")  # the class token's row has no pixels
            assert len(pre) == expected or padding, (population.name, c.kind)
            assert fan_in.max() == c.fan_in and fan_out.max() == c.fan_out, (population.name, c.kind)


@pytest.mark.parametrize("limits", [{"neurons": 20}, {"axons_in": 70}, {"memory_bits": 4000}, {"axons_out": 100}])
def test_every_core_holds_what_its_tile_says(network: Network, limits: dict[str, int]) -> None:
    chip = tiny(**limits)
    placement = place(network, chip)
    assert placement.fits and placement.cores > len(placement.layers)
    cores = sources_of_cores(network, placement)
    sent = np.zeros(placement.cores, int)
    place_of = {layer.population.name: layer.core_of()[0].reshape(-1) for layer in placement.layers}
    for listened_to in cores:
        for name, neuron in listened_to - {(Network.INPUT, n) for _, n in listened_to}:
            sent[place_of[name][neuron]] += 1
    for layer in placement.layers:
        assert layer.tile is not None
        assert all(use <= limit for name, use in layer.tile.use.items() if (limit := chip.limits[name]) is not None)
        neurons, rows = layer.core_of()
        every = np.concatenate([neurons.reshape(-1), np.repeat(rows, layer.population.row_neurons)])
        every = np.concatenate([every, np.repeat(neurons.reshape(-1), layer.population.relays)])
        held = np.bincount(every - layer.first, minlength=layer.cores)
        assert len(held) == layer.cores and held.min() > 0 and held.max() == layer.tile.use["neurons"]
        listened = max(len(cores[layer.first + i]) for i in range(layer.cores))
        assert listened <= layer.tile.use["axons_in"], layer.population.name
        assert sent[layer.first : layer.first + layer.cores].max() <= layer.tile.use["axons_out"], layer.population.name


def sources_of_cores(network: Network, placement: Placement) -> list[set[tuple[str, int]]]:
    """Who each core listens to, exchanges inside a row aside."""
    found: list[set[tuple[str, int]]] = [set() for _ in range(placement.cores)]
    for layer in placement.layers:
        neurons, rows = layer.core_of()
        for c in layer.population.connections:
            if c.kind not in ("gather", "spread"):
                pre, post = edges(network, layer.population, c)
                where = rows[post] if c.to_row else neurons.reshape(-1)[post]
                for core, source in set(zip(where.tolist(), pre.tolist(), strict=True)):
                    found[core].add((c.source, source))
    return found


def dense(rows: int, columns: int, fan_in: int) -> Population:
    """A population behind a shared weight matrix."""
    connection = Connection("x", "x", "w", "dense", fan_in, Amount(row=fan_in), Amount(column=fan_in), 8, (1, columns))
    op = Readout(shape=(rows, columns), unit=np.ones(1))
    return Population("y", op, rows, columns, rows, False, 0, 0, Amount(neuron=1), (connection,))


def test_a_large_layer_is_split_as_computed_by_hand() -> None:
    """768 -> 3072 over 197 tokens on Loihi 1.

    One row: 768 * 8 bits a column, so 1048576 // 6144 = 170 columns fit, 19 cores wide, 162 columns each when cut evenly.
    Rows: 6 * 162 <= 1024 neurons, but 6 * 768 > 4096 axons in, so 5; 40 cores deep.
    """
    tile = largest_tile(dense(197, 3072, 768), load_chip("loihi1"))
    assert tile is not None and (tile.rows, tile.columns, tile.fills) == (5, 162, "axons_in")
    assert tile.use == {"neurons": 810, "memory_bits": 768 * 162 * 8, "axons_in": 3840, "axons_out": 0}
    unshared = load_chip("loihi1")
    unshared = ChipTable(
        unshared.name, unshared.title, unshared.mesh, unshared.limits, unshared.features | {"shares_weights": False},
        unshared.sources,
    )  # fmt: skip
    assert use_of(dense(197, 3072, 768), unshared, 5, 162)["memory_bits"] == 5 * 162 * 768 * 8


def test_what_does_not_fit_says_why() -> None:
    assert largest_tile(dense(1, 10, 5000), load_chip("loihi1")) is None
    placement = place(small_network(), tiny(axons_in=3))
    refused = [layer for layer in placement.layers if layer.tile is None]
    assert refused and not placement.fits
    assert "axons_in, a core has 3" in refused[0].obstacles[0] and refused[0].cores == 0
    on_loihi1 = place(small_network(), load_chip("loihi1"))
    reasons = {text for layer in on_loihi1.layers for text in layer.obstacles}
    assert any("neuron program" in text for text in reasons)
    assert any("graded spikes of 24 bits" in text for text in reasons)


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_a_chip_has_its_source(name: str) -> None:
    chip = load_chip(name)
    assert set(CORE_LIMITS) < set(chip.limits)
    assert all(chip.sources[key] for key in (*chip.limits, *chip.features))
    assert all(chip.sources[key].startswith("unknown") for key in chip.unknown)
    across, down, cores = chip.mesh
    assert across * down * cores == chip.limits["cores"]


def test_an_unknown_chip_is_named_with_those_known() -> None:
    with pytest.raises(DeployError, match="--chip loihi3: unknown; known are loihi1, loihi2"):
        load_chip("loihi3")


def test_place_prints_and_keeps_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conversion(tmp_path, model="small")
    write(tmp_path / "graph.nir", small_network())
    for chip in NAMES:
        assert main(["place", str(tmp_path), "--chip", chip]) == 0
    printed = capsys.readouterr().out
    assert "Placement on Loihi 2" in printed and "not checked: axons_in" in printed and "does not run there" in printed
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["model"] == "small" and report["placement"]["loihi2"]["fits"]
    assert report["placement"]["loihi1"]["obstacles"]
    assert (
        sum(layer["cores"] for layer in report["placement"]["loihi1"]["layers"])
        == report["placement"]["loihi1"]["cores"]
    )
    assert main(["place", str(tmp_path), "--chip", "x"]) == 2
