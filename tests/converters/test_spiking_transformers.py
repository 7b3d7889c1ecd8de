"""The published spiking transformers: captured whole, spike for spike, and in integers on Lava without a difference."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from converters.trained import capture
from converters.trained.leaves import neurons
from converters.trained.reference import readout, run_original
from deploy.trained.network import TrainedNetwork
from processes.spiking import Graph, Neuron, Product
from targets.nir_graph.program import Traces, interpret
from targets.trained.program import compile_fixed, compile_float
from tests.tolerances import FLOAT32, INT8_SPIKES, ROUNDING, SECOND_SYNAPSE

FOLDER = Path(__file__).parents[2] / "examples" / "spiking"
STEPS = 2


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


def example(name: str) -> nn.Module:
    """A small one, with weights at which most of its neurons fire."""
    torch.manual_seed(0)
    model = importlib.import_module(name).small(STEPS)
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.05, 0.2, generator=generator)
            module.bias.data.uniform_(0.2, 1.0, generator=generator)
    for name, rate in model.named_buffers():
        if "firing_rate" in name:  # SpikingResformer divides by its root
            rate.uniform_(0.01, 0.03, generator=generator)
    return model.eval()


NAMES = ("spikformer", "spikingformer", "sdt", "sdt2", "qkformer", "spikingresformer")
QUICK = ("spikformer", "sdt2")  # products in both orders, shortcuts of spikes and of potentials
SAMPLES = 3


def captured(name: str, samples: int = SAMPLES) -> tuple[Graph, np.ndarray, Traces, Any]:
    """The graph, images as frames, our run in floating point and the model's own."""
    model = example(name)
    graph = capture(model, (1, 16, 16), "static", STEPS)
    images = np.random.default_rng(0).uniform(0, 1, (samples, 1, 1, 16, 16))
    x = np.broadcast_to(images, (samples, STEPS, 1, 16, 16)).copy()
    theirs = run_original(model, x, "static", graph, neurons(model), torch.float64)
    x = x.reshape(samples, STEPS, *graph.nodes[graph.input].shape)
    return graph, x, interpret(compile_float(graph), {graph.input: x}), theirs


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.exhaustive) for name in NAMES]
)
def test_captured_whole(name: str) -> None:
    graph, x, ours, theirs = captured(name)
    assert ours.spikes.keys() == theirs.spikes.keys()
    rates = {neuron: float(spikes.mean()) for neuron, spikes in theirs.spikes.items()}
    assert sum(0.01 < rate < 0.99 for rate in rates.values()) > 0.8 * len(rates), rates
    for neuron, spikes in theirs.spikes.items():
        assert np.array_equal(ours.spikes[neuron], spikes), neuron
    assert readout(ours.outputs[graph.output], theirs.output, ROUNDING * 1e3, "static") == "mean"
    fixed = interpret(compile_fixed(graph, ours.peaks, x), {graph.input: x})
    assert not fixed.overflows
    apart = np.mean([(fixed.spikes[neuron] != spikes).mean() for neuron, spikes in ours.spikes.items()])
    assert 0 < apart < INT8_SPIKES, apart
    assert any(isinstance(node.op, Product) for node in graph.nodes.values())
    assert sum(isinstance(node.op, Neuron) for node in graph.nodes.values()) == len(theirs.spikes)


def triple(at: str, layer: str, norm: str, bias: bool) -> list[str]:
    """Keys of a layer and its batch norm."""
    kept = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return [f"{at}{layer}.weight", *([f"{at}{layer}.bias"] if bias else []), *(f"{at}{norm}.{key}" for key in kept)]


def linears(at: str, names: tuple[str, ...], kind: str, bias: bool) -> list[str]:
    return [key for name in names for key in triple(at, f"{name}_{kind}", f"{name}_bn", bias)]


def rep(at: str) -> list[str]:
    """Keys of a RepConv and the batch norm behind it."""
    layers = [f"{at}.0.body.0.weight", f"{at}.0.body.2.0.weight", f"{at}.0.body.2.1.weight"]
    norms = [f"{at}.0.body.1.bn", f"{at}.0.body.2.2", f"{at}.1"]
    kept = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return layers + [f"{norm}.{key}" for norm in norms for key in kept]


def resformer_keys() -> list[str]:
    """Names in SpikingResformer's checkpoints: stages of one, two and three pairs, the later ones behind a downsampling."""
    keys = ["classifier.weight", *triple("prologue.", "0", "1.bn", False)]
    for stage in range(3):
        keys += triple(f"layers.{stage}.0.", "conv", "norm.bn", False) if stage else []
        for pair in range(stage + 1):
            at = f"layers.{stage}.{2 * pair + bool(stage)}."
            keys += [at + "firing_rate_x", at + "firing_rate_attn", *triple(at, "W", "norm.bn", False)]
            keys += triple(at, "Wproj", "norm_proj.bn", False)
            at = f"layers.{stage}.{2 * pair + bool(stage) + 1}."
            keys += [key for part in ("up", "conv.0", "down") for key in triple(f"{at}{part}.", "1", "2.bn", False)]
    return keys


HEAD = ["head.weight", "head.bias"]
NORMS = [f"norm{i}.{key}" for i in (1, 2) for key in ("weight", "bias")]


def published_keys(name: str) -> list[str]:
    """Names in the published checkpoints, as their code defines the modules."""
    if name == "spikingresformer":
        return resformer_keys()
    keys = list(HEAD)
    if name in ("spikformer", "sdt"):
        for i in ("", "1", "2", "3"):
            keys += triple("patch_embed.", f"proj_conv{i}", f"proj_bn{i}", False)
        keys += triple("patch_embed.", "rpe_conv", "rpe_bn", False)
    if name == "spikingformer":
        for i in range(5):
            keys += triple("patch_embed.", f"block{i}_conv", f"block{i}_bn", False)
    for i in range({"spikformer": 4, "spikingformer": 4, "sdt": 2}.get(name, 0)):
        at = f"block.{i}."
        if name == "spikformer":
            keys += linears(f"{at}attn.", ("q", "k", "v", "proj"), "linear", True)
            keys += linears(f"{at}mlp.", ("fc1", "fc2"), "linear", True) + [at + norm for norm in NORMS]
        elif name == "spikingformer":
            keys += linears(f"{at}attn.", ("q", "k", "v"), "conv", False) + linears(
                f"{at}attn.", ("proj",), "conv", True
            )
            keys += linears(f"{at}mlp.", ("mlp1", "mlp2"), "conv", True) + [at + norm for norm in NORMS]
        else:
            keys += linears(f"{at}attn.", ("q", "k", "v"), "conv", False) + linears(
                f"{at}attn.", ("proj",), "conv", True
            )
            keys += linears(f"{at}mlp.", ("fc1", "fc2"), "conv", True) + [f"{at}attn.talking_heads.weight"]
    if name == "qkformer":
        keys += linears("patch_embed1.", ("proj", "proj1", "proj_res"), "conv", False)
        for i in (2, 3):
            keys += linears(f"patch_embed{i}.", ("proj3", "proj4", "proj_res"), "conv", False)
        for at, attention, names in (
            ("stage1.0.", "tssa", ("q", "k")), ("stage2.0.", "tssa", ("q", "k")),
            ("stage3.0.", "ssa", ("q", "k", "v")), ("stage3.1.", "ssa", ("q", "k", "v")),
        ):  # fmt: skip
            keys += linears(f"{at}{attention}.", names, "conv", False) + linears(
                f"{at}{attention}.", ("proj",), "conv", True
            )
            keys += linears(f"{at}mlp.", ("mlp1", "mlp2"), "conv", True)
    if name == "sdt2":
        for part in ("1_1", "1_2", "2", "3", "4"):
            keys += triple(f"downsample{part}.", "encode_conv", "encode_bn", True)
        for part in ("1_1", "1_2", "2_1", "2_2"):
            at = f"ConvBlock{part}.0."
            keys += triple(f"{at}Conv.", "pwconv1", "bn1", False) + triple(f"{at}Conv.", "pwconv2", "bn2", False)
            keys += triple(at, "conv1", "bn1", False) + triple(at, "conv2", "bn2", False) + [f"{at}Conv.dwconv.weight"]
        for at in [f"block3.{i}." for i in range(6)] + [f"block4.{i}." for i in range(2)]:
            keys += [key for part in "qkv" for key in rep(f"{at}attn.{part}_conv")] + rep(f"{at}attn.proj_conv")
            keys += linears(f"{at}mlp.", ("fc1", "fc2"), "conv", True)
    return keys


PUBLISHED: dict[str, tuple[str, dict[str, tuple[int, ...]]]] = {
    "spikformer": ("Spikformer", {"head.weight": (10, 384), "block.3.mlp.fc1_linear.weight": (1536, 384)}),
    "spikingformer": (
        "Spikingformer",
        {"patch_embed.block3_conv.weight": (384, 192, 3, 3), "block.0.attn.q_conv.weight": (384, 384, 1)},
    ),
    "sdt": (
        "SpikeDrivenTransformer",
        {"patch_embed.proj_conv.weight": (64, 3, 3, 3), "block.1.attn.talking_heads.weight": (8, 8, 1)},
    ),
    "sdt2": (
        "MetaSpikeFormer",
        {"downsample1_1.encode_conv.weight": (48, 3, 7, 7), "block4.1.attn.q_conv.0.body.2.0.weight": (480, 1, 3, 3)},
    ),
    "spikingresformer": (
        "SpikingResformer",
        {
            "layers.0.0.W.weight": (128, 64, 4, 4),
            "layers.1.1.firing_rate_x": (1, 1, 3, 1, 1),
            "classifier.weight": (1000, 384),
            "layers.2.2.conv.0.1.weight": (1536, 64, 3, 3),
            "prologue.0.weight": (64, 3, 7, 7),
        },
    ),
    "qkformer": (
        "QKFormer",
        {"patch_embed3.proj_res_conv.weight": (384, 192, 1, 1), "stage1.0.tssa.q_conv.weight": (96, 96, 1)},
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_published_checkpoints_fit(name: str) -> None:
    """Every key of theirs and no other, in the published sizes."""
    kind, shapes = PUBLISHED[name]
    with torch.device("meta"):
        state = getattr(importlib.import_module(name), kind)().state_dict()
    assert sorted(state) == sorted(published_keys(name))
    assert {key: tuple(state[key].shape) for key in shapes} == shapes


def test_the_gradient_that_training_uses() -> None:
    """Written out for all steps at once, it is autograd's of one operation after the other."""
    fused = importlib.import_module("fused")
    parts = importlib.import_module("parts")
    x = torch.rand(4, 3, 50, generator=torch.Generator().manual_seed(0)) * 3
    towards = torch.rand(4, 3, 50, generator=torch.Generator().manual_seed(1))

    def run(fuse: bool, alpha: float = 4.0) -> tuple[torch.Tensor, torch.Tensor]:
        neuron = parts.lif(0.7)
        neuron.alpha = alpha
        if fuse:
            fused.fuse(neuron)
        drive = x.clone().requires_grad_()
        spikes = neuron(drive)
        (gradient,) = torch.autograd.grad((spikes * towards).sum(), drive)
        return spikes.detach(), gradient

    (spikes, wanted), (ours, found) = run(False), run(True)
    assert 0.1 < float(spikes.mean()) < 0.9 and torch.equal(ours, spikes)
    torch.testing.assert_close(found, wanted, rtol=FLOAT32, atol=FLOAT32)
    assert not torch.allclose(run(True, 4.1)[1], wanted, rtol=FLOAT32, atol=FLOAT32)


@pytest.mark.parametrize(
    "name",
    [
        "spikformer",
        *(pytest.param(name, marks=pytest.mark.exhaustive) for name in ("spikingformer", "sdt2", "qkformer")),
    ],
)
def test_the_weights_beside_the_example(name: str) -> None:
    """They classify the demo's images about as well as docs/trained.md says, and so do integers; a second synapse is closer."""
    from deploy.demo import FOLDER as DEMO
    from deploy.demo import IMAGES, to_pixels

    model = importlib.import_module(name).small()
    steps = model.T
    model.load_state_dict(load_file(FOLDER / f"{name}.safetensors"))
    with np.load(DEMO / IMAGES) as file:
        both, labels = (
            [file[f"{name}_images"][:40] for name in ("evaluation", "calibration")],
            file["evaluation_labels"][:40],
        )
    graph = capture(model, (1, 28, 28), "static", steps)
    x, calib = (
        np.repeat(to_pixels(images).astype(np.float64)[:, None], steps, 1).reshape(
            40, steps, *graph.nodes[graph.input].shape
        )
        for images in both
    )
    networks = [TrainedNetwork.calibrated(graph, calib[:20], synapses) for synapses in (1, 2)]
    programs = [networks[0].program("float"), *(network.program() for network in networks)]
    runs = [interpret(program, {graph.input: x}) for program in programs]
    real, *fixed = (run.outputs[graph.output].mean(1).reshape(40, -1) for run in runs)
    assert all((found.argmax(1) == labels).mean() > 0.75 for found in (real, *fixed))
    once, twice = (np.square(found - real).mean() for found in fixed)
    assert 0 < twice < SECOND_SYNAPSE * once


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NAMES)
def test_a_hundred_samples(name: str) -> None:
    """The model's own forward, spike for spike, by the closed form and on Lava in floating point."""
    pytest.importorskip("lava.magma")
    importlib.import_module("processes.lava")  # before anything of Lava's
    from targets.nir_graph.lava import run_in_lava

    graph, x, ours, theirs = captured(name, 100)
    found = run_in_lava(compile_float(graph), {graph.input: x}, "block")
    for run in (ours, found):
        assert all(np.array_equal(run.spikes[neuron], spikes) for neuron, spikes in theirs.spikes.items())
        assert readout(run.outputs[graph.output], theirs.output, ROUNDING * 1e3, "static") == "mean"
    print(f"{name}: 0 of {sum(spikes.size for spikes in theirs.spikes.values()):,} spikes differ, {len(x)} samples")


@pytest.mark.exhaustive
def test_dual_spike_attention_on_lava() -> None:
    """Potentials times spikes are in no other architecture: every spike, potential and output in integers."""
    pytest.importorskip("lava.magma")
    importlib.import_module("processes.lava")  # before anything of Lava's
    from targets.nir_graph.lava import run_in_lava

    graph, x, ours, _ = captured("spikingresformer")
    fixed = compile_fixed(graph, ours.peaks, x)
    expected = interpret(fixed, {graph.input: x[:2]}, potentials=True)
    found = run_in_lava(fixed, {graph.input: x[:2]}, "operation", potentials=True)
    compared = 0
    for kind in ("spikes", "potentials", "outputs"):
        for name, values in getattr(expected, kind).items():
            compared += values.size
            assert np.array_equal(getattr(found, kind)[name], values), f"{kind} of {name}"
    assert compared > 10_000
    assert any(
        not np.array_equal(ours.spikes[name][:2], found.spikes[name]) for name in found.spikes
    )  # floats are others
    print(f"{compared:,} compared")
