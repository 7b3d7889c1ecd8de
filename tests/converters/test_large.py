"""Large models: what is held in memory is bounded, and what comes out does not depend on the bound."""

from __future__ import annotations

import math
import resource
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import converters.discretise as discretising
from converters import gradients
from converters.calibrate import encode, scale, uniform
from converters.discretise import arriving, discretise
from converters.discretise.rounding import Moments, factor
from converters.evidence import gather
from converters.gradients import PROBES, differentiated_together, evaluated_together, probe
from converters.lowering.builder import narrow
from converters.pipeline import convert_module
from converters.pipeline import lowered as checked
from evaluator.closed_form import ClosedForm
from processes.chips import LOIHI2
from processes.memory import give_back
from processes.network import CalibratedNetwork, DenseSynapse, LoweredNetwork, Network
from processes.phase_code import PhaseCode
from processes.phase_neuron import PhaseNeuron
from processes.synapse import Synapse
from tests.converters.modules import images, lowered, small_vit

CODE = PhaseCode(1.6, 8)


@pytest.fixture(scope="module")
def pair() -> tuple[LoweredNetwork, CalibratedNetwork]:
    """A small ViT lowered, and coded."""
    ideal = lowered(small_vit(), torch.from_numpy(images(1)))
    scaled, peaks = scale(ideal, images(16))
    return ideal, encode(scaled, uniform(scaled, CODE.base, 1), CODE, peaks)


def weights_of(network: Network) -> dict[str, np.ndarray]:
    return {name: node.op.weight for name, node in network if isinstance(node.op, DenseSynapse)}


def test_weights_of_a_lowered_network_are_held_once() -> None:
    """The comparison with the model leaves no copies of another type, and runs in float32 read the arrays themselves."""
    _, _, ideal = checked(small_vit(), [images(2)])
    own_memory = [op for _, node in ideal if isinstance(op := node.op, Synapse) and isinstance(op.weight, np.ndarray)]
    synapses = [op for op in own_memory if op.weight.dtype == np.float32]
    assert synapses and not any(op._tensors for op in synapses)
    for dtype in (torch.float32, torch.float64):
        ClosedForm(ideal, dtype, ideal=True).run(images(1))
        own = [np.shares_memory(op.tensor(dtype, torch.device("cpu")).numpy(), op.weight) for op in synapses]
        assert all(own) if dtype == torch.float32 else not any(own)


def test_one_layer_at_a_time_is_compared_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Synapse] = []
    held: list[int] = []
    own = Synapse.tensor

    def tensor(self: Synapse, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        seen.append(self)
        made = own(self, dtype, device)
        held.append(sum(bool(vars(op).get("_tensors")) for op in {id(op): op for op in seen}.values()))
        return made

    monkeypatch.setattr(Synapse, "tensor", tensor)
    checked(small_vit(), [images(2)])
    assert len({id(op) for op in seen}) > 5 and set(held) == {0, 1}  # none of those that are made at each use


def test_integers_do_not_depend_on_how_many_layers_are_rounded_at_a_time(
    pair: tuple[LoweredNetwork, CalibratedNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    ideal, calibrated = pair
    importance = gather(scale(ideal, images(16))[0], images(16), 8).importance
    whole = discretise(calibrated, images(16), LOIHI2, importance=importance)
    assert len(arriving.Arriving(calibrated, images(16), importance).groups) == 1
    monkeypatch.setattr(arriving, "MOMENTS_BYTES", 1)
    inputs = arriving.Arriving(calibrated, images(16), importance)
    assert len(inputs.groups) > 4 and all(len(group) == 1 for group in inputs.groups)
    turns = discretise(calibrated, images(16), LOIHI2, importance=importance)
    assert weights_of(whole).keys() == weights_of(turns).keys()
    assert all((weight == weights_of(turns)[name]).all() for name, weight in weights_of(whole).items())
    nearest = discretise(calibrated, images(16), LOIHI2)  # all rows count the same: other moments, other integers
    assert any((weight != weights_of(nearest)[name]).any() for name, weight in weights_of(whole).items())


def test_groups_go_on_where_the_one_before_has_ended(
    pair: tuple[LoweredNetwork, CalibratedNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the network's order every node is run once; whoever asks for an earlier group again has the same moments."""
    monkeypatch.setattr(arriving, "MOMENTS_BYTES", 1)
    inputs = arriving.Arriving(pair[1], images(4), {}, 2)
    run: list[str] = []
    evaluate = ClosedForm._evaluate
    named = {id(node.op): name for name, node in pair[1]}
    monkeypatch.setattr(ClosedForm, "_evaluate", lambda self, op, x: run.append(named[id(op)]) or evaluate(self, op, x))
    found = {name: inputs.at(name) for name in weights_of(pair[1])}
    assert len(run) == 2 * len(set(run)) and len(set(run)) > len(named) / 2  # two batches
    for name, moments in list(found.items())[:3]:
        again = inputs.at(name)
        assert moments is not None and again is not None and (again.second == moments.second).all()
    assert len(run) > 2 * len(set(run))


def test_moments_of_one_group_are_in_memory(
    pair: tuple[LoweredNetwork, CalibratedNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "MOMENTS_BYTES", 1)
    inputs = arriving.Arriving(pair[1], images(4), {})
    for name in weights_of(pair[1]):
        if inputs.at(name) is not None:
            assert list(inputs.moments) == [inputs.key(name)]


@pytest.mark.parametrize("groups", ["one", "several"])
def test_what_rounding_held_is_given_back_before_integers_are_judged(
    pair: tuple[LoweredNetwork, CalibratedNetwork], groups: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is a single group it stays, as integers that saturate are rounded from it again."""
    found, held = discretising.saturating, []
    neurons = [node.op for _, node in pair[1] if isinstance(node.op, PhaseNeuron)]
    pair[1].release()

    def judged(*given: object) -> tuple[list[str], int]:
        held.append((any("_tables" in vars(op) for op in neurons), factor.cache_info().currsize))
        return found(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(discretising, "saturating", judged)
    if groups == "several":
        monkeypatch.setattr(arriving, "MOMENTS_BYTES", 1)
    made = discretise(pair[1], images(4), LOIHI2)
    prepared = any("rows" in vars(node.op) for _, node in made)  # for the run that judged them
    assert prepared == (groups == "one")
    assert held == [(False, 0) if groups == "several" else (True, 1)]


def test_few_samples_are_differentiated_together_where_activations_are_large(
    pair: tuple[LoweredNetwork, CalibratedNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [differentiated_together(pair[0], batch) for batch in (3, 8, 32)] == [3, 8, 8]
    assert [evaluated_together(pair[0], batch) for batch in (3, 32)] == [3, 32]
    monkeypatch.setattr(gradients, "GRADIENT_BYTES", 1)
    assert differentiated_together(pair[0], 32) == 1
    largest = max(math.prod(node.op.shape) for _, node in pair[0])
    monkeypatch.setattr(gradients, "BATCH_BYTES", 5 * gradients.COPIES * 8 * largest)
    assert evaluated_together(pair[0], 32) == 5


@pytest.mark.parametrize(("part_bytes", "cut"), [(2**30, False), (20_000, True), (1, True)])
def test_gradients_are_those_of_the_random_sums(
    pair: tuple[LoweredNetwork, CalibratedNetwork], part_bytes: int, cut: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shown one by one, each is what differentiating the sum by that node alone gives, in however many parts."""
    ideal = pair[0]
    monkeypatch.setattr(gradients, "PART_BYTES", part_bytes)
    assert (len(gradients.parts(ideal, 2)) > 1) == cut
    x = images(2)
    shown: dict[str, list[torch.Tensor]] = {}

    def watch(name: str, y: torch.Tensor) -> gradients.OnGradient:
        assert y.shape == (2, *ideal[name].shape) and not y.requires_grad
        return shown.setdefault(name, []).append

    probe(ideal, x, np.random.default_rng(5), watch)
    rng = np.random.default_rng(5)
    signs = [2 * rng.integers(0, 2, (2, *ideal[ideal.output].shape)) - 1 for _ in range(PROBES)]
    for name in list(ideal.nodes)[::7]:
        leaf: list[torch.Tensor] = []

        def replaced(node: str, op: object, result: object, name: str = name, leaf: list[torch.Tensor] = leaf):
            if node != name:
                return None
            leaf.append(result.values.detach().requires_grad_())  # type: ignore[attr-defined]
            return leaf[0]

        with torch.enable_grad():
            form = ClosedForm(ideal, ideal=True)
            out = form.advance({Network.INPUT: form.encode(x)}, list(ideal.nodes), replaced)
        for number, sign in enumerate(signs):
            weights = torch.from_numpy(sign.astype(np.float32)).reshape(out.shape)
            (expected,) = torch.autograd.grad(out, leaf, weights, retain_graph=True)
            torch.testing.assert_close(shown[name][number], expected)
            assert not torch.allclose(shown[name][1 - number], expected) or not expected.any()


def test_weights_are_in_double_precision_only_until_the_network_has_been_compared(
    pair: tuple[LoweredNetwork, CalibratedNetwork],
) -> None:
    model = small_vit()
    exact = lowered(model, torch.from_numpy(images(1)))
    assert {weight.dtype for weight in weights_of(exact).values()} == {np.dtype(np.float32), np.dtype(np.float64)}
    made = convert_module(model, [images(8)], 8)
    for network in (pair[1], made.ideal, made.calibrated):
        assert {weight.dtype for weight in weights_of(network).values()} == {np.dtype(np.float32)}
    for name, weight in weights_of(exact).items():
        assert (weights_of(made.ideal)[name] == np.asarray(weight).astype(np.float32)).all()
    for value, dtype in ((0.5, np.float32), (1 / 3, np.float64)):
        kept = narrow(np.full((2, 2), value))
        assert kept.dtype == dtype and (kept == value).all()


def test_weights_into_which_nothing_is_folded_are_the_models_own_memory() -> None:
    """And stay what they were, as nothing writes to them."""
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    before = [p.detach().clone() for p in model.parameters()]
    made = convert_module(model, [np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)], 8)
    for weight in weights_of(made.ideal).values():
        assert any(np.shares_memory(weight, p.detach().numpy()) for p in model.parameters())
        assert not weight.flags.writeable
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take freed memory back by themselves")
def test_freed_memory_is_handed_back() -> None:
    """Small pieces stay between large ones that are gone, so that the C library alone would keep all of it."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    pieces = [np.ones(2**13) for _ in range(2**12)]  # 64 KiB each, 256 MiB in all
    del pieces[::2], pieces[:-1:2]
    held = resident()
    give_back()
    assert resident() < held - 2**26


def test_tables_are_given_back_and_made_again(pair: tuple[LoweredNetwork, CalibratedNetwork]) -> None:
    network = pair[1]
    before = ClosedForm(network).run(images(2))
    name = next(name for name, node in network if isinstance(node.op, PhaseNeuron))
    assert "_tables" in vars(network[name])
    network.release()
    assert "_tables" not in vars(network[name]) and "schedule" in vars(network[name])
    assert (ClosedForm(network).run(images(2)) == before).all()


def test_progress_covers_the_samples_and_the_rounding(pair: tuple[LoweredNetwork, CalibratedNetwork]) -> None:
    told: list[tuple[int, int]] = []
    discretise(pair[1], images(4), LOIHI2, batch=2, progress=lambda done, whole: told.append((done, whole)))
    whole = 4 + len(pair[1].nodes) + 4  # seen, rounded, judged
    assert {total for _, total in told} == {whole}
    assert sorted({done for done, _ in told}) == list(range(whole + 1))  # within batches too
    assert [done for done, _ in told] == sorted(done for done, _ in told) and told[-2] != told[-1]


def test_only_weights_that_have_changed_are_rounded_again(
    pair: tuple[LoweredNetwork, CalibratedNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = list(weights_of(pair[1]))
    plain, judge = discretising.round_weights, discretising.saturating
    asked: list[bool] = []

    def counted(op: Synapse, weight: np.ndarray, limit: int, seen: Moments | None) -> tuple[np.ndarray, np.ndarray]:
        asked.append(seen is not None)
        return plain(op, weight, limit, seen)

    def anew(name: str, op: Synapse, arriving: arriving.Arriving | None, _: object, weight: np.ndarray, limit: int):
        return plain(op, weight, limit, None if arriving is None else arriving.at(name))

    def converted() -> tuple[dict[str, np.ndarray], list[tuple[int, int]]]:
        told: list[tuple[int, int]] = []
        clipped = iter([([layers[0]], 0)])  # the first attempt is said to saturate there
        monkeypatch.setattr(discretising, "saturating", lambda *given: next(clipped, None) or judge(*given))
        tell = lambda done, whole: told.append((done, whole))  # noqa: E731
        return weights_of(discretise(pair[1], images(4), LOIHI2, progress=tell)), told

    monkeypatch.setattr(discretising, "round_weights", counted)
    found, told = converted()
    assert len(layers) < sum(asked) < 2 * len(layers)  # all, and again what was made coarser
    assert sum(done == whole for done, whole in told) == 1  # the last; nobody judged the first
    monkeypatch.setattr(discretising, "_rounded", anew)
    assert all((weight == found[name]).all() for name, weight in converted()[0].items())
