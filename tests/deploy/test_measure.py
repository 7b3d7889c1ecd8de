"""Measurements against hand computation on a network of four neurons, and on a small vision transformer."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

import deploy
from converters.calibrate import calibrate
from converters.capture import capture
from converters.discretise import discretise
from converters.lowering import lower
from converters.scales import scale_of
from deploy import examine, measure
from deploy.cli.app import _tell_compilation
from deploy.measure import (
    Outputs,
    accuracy,
    agreement,
    ann_outputs,
    compare_layers,
    evaluate,
    evaluation,
    ladder,
    layer_values,
    not_spiking,
    output_cosine,
    real_values,
    record_raster,
    relative_error,
    rounded_weights,
    rung,
    stages,
)
from evaluator.closed_form import ClosedForm
from evaluator.timeline import timeline
from processes.chips import LOIHI2
from processes.errors import DeployError
from processes.kernels import compiled
from processes.network import DenseSynapse, FixedPointNetwork, Network, PhaseNeuron, Readout
from processes.phase_code import PhaseCode
from processes.phase_neuron.schedule import FloatSchedule
from tests.tolerances import FLOAT32_WEIGHT

CODE = PhaseCode(2.0, 3)  # levels 1, 1/2, 1/4; midpoints 3/4, 3/8, 3/16


def tiny() -> Network:
    """Two neurons of scale 4, W = [[1, 2], [0, -1]] in real units, two outputs."""
    ones = np.ones((1, 1))
    schedule = FloatSchedule(function="identity", scale=4 * ones, unit=ones, base=CODE.base, steps=CODE.steps)
    weight = 4 * np.array([[1.0, 2.0], [0.0, -1.0]])
    network = Network((1, 2))
    network.add("code", PhaseNeuron(shape=(1, 2), schedule=schedule), Network.INPUT)
    network.add("dense", DenseSynapse(shape=(1, 2), weight=weight, bias=np.zeros(2), trace=CODE.levels), "code")
    network.add("readout", Readout(shape=(1, 2), unit=np.ones((1, 2))), "dense")
    return network


# 3 is just 4 m_0: it fires at 0 and decodes to 4. 1.6 lies above 4 m_1 = 1.5 and decodes to 2, 0.8 above
# 4 m_2 = 0.75 and decodes to 1. 0.7 is silent.
INPUTS = np.array([[3.0, -1.6], [0.8, 0.7], [0.0, 0.0]], np.float32)
DECODED = np.array([[4.0, -2.0], [1.0, 0.0], [0.0, 0.0]])
OUTPUTS = np.array([[0.0, 2.0], [1.0, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize("batch", [1, 2, 3, 64])
def test_counts_of_a_tiny_network(batch: int) -> None:
    seen: list[tuple[int, int]] = []
    measured = evaluate(ClosedForm(tiny()), INPUTS, batch, lambda done, total: seen.append((done, total)))
    np.testing.assert_array_equal(measured.outputs, OUTPUTS)
    assert measured.neurons == {"code": 2}
    assert measured.spikes == {"code": 3}
    assert measured.saturations == {"dense": 0, "readout": 0}
    assert measured.spikes_per_sample == 1.0
    assert measured.spikes_per_neuron == 0.5
    assert measured.node_spikes("code") == 1.0
    assert measured.predictions.tolist() == [1, 0, 0]
    assert measured.seconds_per_sample > 0
    assert seen[-1] == (3, 3)
    assert [done for done, _ in seen] == [0, 1, 2, 3]  # told within a batch too


def integers(dense: DenseSynapse, weight: np.ndarray) -> DenseSynapse:
    """The synapse with these weights and potentials of 8 bits."""
    trace = np.array([4, 2, 1], np.int32)
    return replace(dense, weight=weight, bias=np.zeros(2, np.int32), trace=trace, state_bits=8)


def test_saturated_potentials_are_added_up_over_batches() -> None:
    network = tiny()
    dense = network["dense"]
    assert isinstance(dense, DenseSynapse)
    network.put("dense", integers(dense, np.full((2, 2), 100, np.int8)))
    # +-127 at most. The first sample brings 400 at its first step, then -200; the second only 100.
    assert evaluate(ClosedForm(network), INPUTS, batch=1).saturations["dense"] == 2
    assert evaluate(ClosedForm(network), INPUTS[[0, 1, 0]], batch=2).saturations["dense"] == 4


def test_inputs_that_a_graded_spike_cannot_carry_are_counted() -> None:
    network = tiny()
    network.header = replace(network.header, input_unit=0.25)
    network.put("readout", replace(network["readout"], state_bits=8))  # +-127 quarters
    samples = np.array([[31.0, -40.0], [1.0, 2.0], [32.0, 500.0]], np.float32)
    runner = ClosedForm(network)
    assert runner.encode(samples).reshape(3, 2).tolist() == [[124, -127], [4, 8], [127, 127]]
    assert evaluate(runner, samples, batch=2).saturations["input"] == 3
    assert "input" not in evaluate(runner, samples[1:2]).saturations
    with pytest.raises(DeployError, match=r"layer 'input', sample 2, neuron \(0, 0\)"):
        evaluate(runner, samples[[1, 1, 2]], 1, strict=True)


def test_time_of_the_first_batch_counts_only_if_it_is_alone_and_after_a_warm_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Slow(torch.nn.Module):
        """Takes 10 s the first time, then 1 s, on the clock that it moves."""

        now, calls = 0.0, 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            self.now += 10 if self.calls == 1 else 1
            return x

    for batch, expected in ((1, 1.0), (2, 1.0), (3, 1 / 3)):
        slow = Slow()
        monkeypatch.setattr(time, "perf_counter", lambda slow=slow: slow.now)
        outputs = ann_outputs(slow, {"x": INPUTS}, batch)
        assert outputs.seconds_per_sample == pytest.approx(expected)
        np.testing.assert_array_equal(outputs.outputs, INPUTS)


def test_metrics() -> None:
    a = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0], [3.0, 4.0]])
    b = np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    assert accuracy(a, np.array([0, 1, 1, 0])) == 0.5
    assert agreement(a, b) == 0.5  # predictions 0 1 0 1 and 0 0 0 0
    assert output_cosine(a, b) == pytest.approx((1 + 0 + 1 + 0) / 4)
    assert relative_error(a[:1], b[:1]) == 0.5
    assert relative_error(a[2:3], b[2:3]) == 0.0
    assert relative_error(a[3:], b[3:]) is None
    with pytest.raises(ValueError, match="class scores"):
        accuracy(a[None], np.zeros(1))


def test_rungs_say_only_what_there_is_to_say() -> None:
    reference, labels = np.eye(4), np.array([0, 1, 2, 0])
    first = rung("original", reference, reference, labels)
    assert (first.accuracy, first.agreement, first.relative_error, first.output_cosine) == (
        0.75,
        None,
        None,
        None,
    )
    assert first.layer_error is None
    fewer = rung("fewer", reference[:2] * 1.5, reference, labels, layer_errors={"a": 0.1, "b": 0.3})
    assert (fewer.samples, fewer.accuracy, fewer.agreement, fewer.relative_error) == (2, 1.0, 1.0, 0.5)
    assert fewer.layer_error == pytest.approx(0.2)
    cosine = rung("no classes", reference * 2, reference, classes=False)
    assert (cosine.accuracy, cosine.agreement, cosine.output_cosine) == (None, None, 1.0)


def test_layers_of_a_tiny_network() -> None:
    network = tiny()
    reference = {"code": INPUTS[:, None], "dense": np.ones((3, 1, 2), np.float32)}
    found = compare_layers(reference, ClosedForm(network), INPUTS, real_values(network))
    assert found.errors == pytest.approx(
        {
            "code": np.linalg.norm(DECODED - INPUTS) / np.linalg.norm(INPUTS),
            "dense": np.linalg.norm(OUTPUTS - 1) / np.sqrt(6),
        }
    )
    original, decoded = found.scatter["code"]
    pairs = sorted(zip(original.tolist(), decoded.tolist(), strict=True))
    assert pairs == sorted(zip(INPUTS.ravel().tolist(), DECODED.ravel().tolist(), strict=True))


def test_raster_and_stages_of_a_tiny_network() -> None:
    network = tiny()
    times = timeline(network)
    (layer,) = record_raster(ClosedForm(network), times, INPUTS[0])
    assert (layer.name, layer.neurons, layer.shown, layer.start, layer.stop) == ("code", 2, 2, 0, 3)
    assert layer.steps.tolist() == [0, 1]
    assert layer.rows.tolist() == [0, 1]
    assert layer.signs.tolist() == [1, -1]
    code, readout = stages(network, times)
    assert (code.name, code.role, code.start, code.stop, code.waited) == (
        "code",
        "code of the input",
        0,
        3,
        3,
    )
    assert (readout.name, readout.start, readout.stop, readout.waited) == ("readout", 3, 4, 1)
    assert code.waited + readout.waited == times.period
    (layer,) = record_raster(ClosedForm(network), times, INPUTS[0], neurons=1)
    assert (layer.shown, layer.steps.tolist()) == (1, [0])


def test_not_spiking_of_a_tiny_network() -> None:
    entries = {entry.what: entry for entry in not_spiking(tiny())}
    assert list(entries) == ["Input", "Readout"]
    assert entries["Input"].numbers_per_sample == 2
    assert entries["Readout"].numbers_per_sample == 2


@dataclass
class Converted:
    module: torch.nn.Module
    images: np.ndarray
    ideal: Network
    floating: Network
    fixed: Network
    units: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def converted() -> Converted:
    """A vision transformer of one block with random weights, 12 x 12 images in 9 patches."""
    torch.manual_seed(0)
    module = VisionTransformer(
        img_size=12, patch_size=4, in_chans=1, embed_dim=16, depth=1, num_heads=2, num_classes=5
    ).eval()
    for parameter in module.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    calibration, images = torch.rand(32, 1, 12, 12).numpy(), torch.rand(20, 1, 12, 12).numpy()
    ideal = lower(capture(module, (torch.zeros(1, 1, 12, 12),)), (1, 1, 12, 12))
    floating = calibrate(ideal, calibration, PhaseCode(1.15, 40))
    fixed = discretise(floating, calibration, LOIHI2)
    return Converted(module, images, ideal, floating, fixed, fixed.units)


def test_transformer_layers_are_close_in_either_arithmetic(converted: Converted) -> None:
    reference = layer_values(converted.ideal, converted.images)
    firing = {name for name, node in converted.ideal if node.op.fires and node.op.name != "route"}
    same = compare_layers(reference, ClosedForm(converted.ideal, ideal=True), converted.images)
    assert set(same.errors) == set(reference) and not any(same.errors.values()) and not same.scatter
    for network, units in ((converted.floating, None), (converted.fixed, converted.units)):
        found = compare_layers(reference, ClosedForm(network), converted.images, real_values(network, units))
        assert set(found.errors) == set(reference)
        assert max(found.errors.values()) < 0.25
        assert set(found.scatter) == firing
        for original, decoded in found.scatter.values():
            assert original.shape == decoded.shape and len(original) <= 1500
            error = relative_error(decoded, original)
            assert error is not None and error < 0.25
    again = compare_layers(reference, ClosedForm(network), converted.images, real_values(network, units))
    assert all((again.scatter[name][0] == found.scatter[name][0]).all() for name in firing)


def test_transformer_outputs(converted: Converted) -> None:
    ann = ann_outputs(converted.module, {"x": converted.images}, batch=8)
    ideal = evaluate(ClosedForm(converted.ideal, ideal=True), converted.images, batch=8)
    np.testing.assert_allclose(ideal.outputs, ann.outputs, atol=1e-4)
    assert ideal.spikes == {} and ideal.spikes_per_neuron is None
    for network in (converted.floating, converted.fixed):
        measured = evaluate(ClosedForm(network), converted.images, batch=8)
        error = relative_error(measured.outputs, ann.outputs)
        assert error is not None and error < 0.2
        assert measured.spikes_per_neuron is not None and 0 < measured.spikes_per_neuron <= 1
        assert isinstance(measured, Outputs) and len(measured) == 20


def test_eight_bit_weights_are_those_of_the_fixed_network(converted: Converted) -> None:
    rounded = rounded_weights(converted.ideal, converted.floating, converted.fixed)
    reference = layer_values(converted.ideal, converted.images)
    errors = compare_layers(reference, ClosedForm(rounded, ideal=True), converted.images).errors
    assert errors["input.neuron"] == 0
    assert 0 < errors["head"] < 0.05
    for name, node in converted.ideal:
        op = converted.fixed[name]
        if isinstance(op, DenseSynapse):
            assert op.unit is not None
            held = op.weight * op.unit[:, None] * op.trace[0]  # what one spike at k = 0 carries
            scale = scale_of(converted.floating, node.inputs[0]).reshape(-1)
            np.testing.assert_allclose(rounded[name].weight * scale, held, rtol=FLOAT32_WEIGHT)  # type: ignore[attr-defined]


def test_eight_bit_weights_do_not_depend_on_how_many_rows_are_made_together(
    converted: Converted, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounded = rounded_weights(converted.ideal, converted.floating, converted.fixed)
    layers = {name: op for name, node in rounded if isinstance(op := node.op, DenseSynapse)}
    whole = {name: np.asarray(op.weight) for name, op in layers.items()}
    monkeypatch.setattr(ladder, "TOGETHER", 1)
    assert whole and all((np.asarray(op.weight) == whole[name]).all() for name, op in layers.items())
    assert any((whole[name] != np.asarray(converted.ideal[name].weight)).any() for name in whole)  # type: ignore[attr-defined]


def test_latency_is_the_sum_of_what_is_waited_for(converted: Converted) -> None:
    times = timeline(converted.fixed)
    found = stages(converted.fixed, times)
    assert sum(stage.waited for stage in found) == times.period
    roles = [stage.role for stage in found if stage.waited]
    assert roles == [
        "code of the input",
        "code for normalisation",
        "normalisation",
        "code of a linear result",
        "softmax, race",
        "softmax, division",
        "code for normalisation",
        "normalisation",
        "activation (gelu)",
        "code for normalisation",
        "normalisation",
        "readout",
    ]


def test_raster_is_every_spike_when_all_neurons_are_shown(converted: Converted) -> None:
    times = timeline(converted.fixed)
    measured = evaluate(ClosedForm(converted.fixed), converted.images[:1])
    for layer in record_raster(ClosedForm(converted.fixed), times, converted.images[0], neurons=10_000):
        assert len(layer.steps) == measured.spikes[layer.name]
        assert layer.shown == layer.neurons
        assert ((layer.steps >= layer.start) & (layer.steps < layer.stop)).all()
        assert ((layer.rows >= 0) & (layer.rows < layer.shown)).all()


def test_not_spiking_of_a_transformer(converted: Converted) -> None:
    entries = {entry.what: entry for entry in not_spiking(converted.fixed)}
    assert entries["Softmax, finding the winner"].numbers_per_sample == 2 * 10 * 10 + 2 * 10
    assert entries["LayerNorm, centring"].numbers_per_sample == 3 * (10 * 16 + 10)
    assert entries["Products of activations"].nodes == 5
    assert entries["Divisions"].nodes == 4
    assert entries["Readout"].numbers_per_sample == 5
    assert "24 bits" in entries["Residual streams"].why
    floating = {entry.what: entry for entry in not_spiking(converted.floating)}
    assert "24 bits" not in floating["Residual streams"].why


def test_strict_stops_at_the_first_saturation_and_names_it() -> None:
    network = tiny()
    dense = network["dense"]
    assert isinstance(dense, DenseSynapse)
    network.put("dense", integers(dense, np.array([[1, 0], [100, 100]], np.int8)))
    samples = INPUTS[[2, 2, 1, 0]]
    seen: list[int] = []
    with pytest.raises(
        DeployError, match=r"--strict: layer 'dense', sample 3, neuron \(0, 1\): the potential saturates"
    ):
        evaluate(ClosedForm(network), samples, 1, lambda done, total: seen.append(done), strict=True)
    assert seen == [0, 1, 2, 3]
    evaluate(ClosedForm(network), samples[:3], 1, strict=True)


class Clock:
    """Time that passes only where a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.compiled = 0.0
        monkeypatch.setattr(evaluation.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(evaluation, "compiling", lambda: self.compiled)


class Cold:
    """A network that takes a second a sample, 100 more the first time, and compiles for 50 more in its second run."""

    ideal = True

    def __init__(self, clock: Clock) -> None:
        self.clock, self.runs = clock, 0

    def run(self, samples: np.ndarray, observe: object = None) -> torch.Tensor:
        self.runs += 1
        self.clock.now += len(samples) + {1: 100, 2: 50}.get(self.runs, 0)
        self.clock.compiled += 50 if self.runs == 2 else 0
        return torch.zeros(len(samples), 2)

    def input_clips(self, samples: np.ndarray) -> None:
        return None


@pytest.mark.parametrize(("samples", "seconds"), [(4, 1.0), (8, 1.0), (1, 101.0)])  # one sample alone has no warm-up
def test_times_leave_out_the_first_run_and_compilation(
    monkeypatch: pytest.MonkeyPatch, samples: int, seconds: float
) -> None:
    runner: Any = Cold(Clock(monkeypatch))
    assert evaluation.evaluate(runner, np.zeros((samples, 3)), batch=4).seconds_per_sample == seconds


def test_compilation_is_counted_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    def increment(x: int) -> int:
        return x + 1

    before = compiled.compiling()
    assert compiled.njit(increment)(1) == 2 and compiled.compiling() > before
    _tell_compilation(0.9)
    assert capsys.readouterr().err == ""
    _tell_compilation(8.04)
    assert "compiling kernels took 8.0 s" in capsys.readouterr().err


@pytest.mark.parametrize("large", [False, True])
def test_of_a_large_model_fewer_samples_are_compared_and_nothing_is_kept_between(
    large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[Network] = []
    monkeypatch.setattr(FixedPointNetwork, "release", lambda self: released.append(self))
    if large:
        monkeypatch.setattr(examine, "LAYER_BYTES", 1)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.GELU(), torch.nn.Linear(8, 3)).eval()
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    compared: list[int] = []
    values = measure.layer_values
    monkeypatch.setattr(measure, "layer_values", lambda ideal, few: compared.append(len(few)) or values(ideal, few))
    found = deploy.convert(model, x, evaluation=x[:20], timesteps=8)
    assert any(layer.errors for layer in found.report.layers)  # which is measured when it is first asked for
    assert compared == [1 if large else 16]
    assert [network is found.network for network in released] == [True] * large
