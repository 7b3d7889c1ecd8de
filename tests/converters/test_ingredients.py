"""Each ingredient of conversion, left out: what it does is gone, and everything that comes before it is as it was."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from converters.calibrate import scale
from converters.choices import Tuning
from converters.code_search import tune
from converters.ingredients import ALL, Ingredients
from converters.pipeline import Conversion, _sent, convert_module
from converters.scales import scale_of
from evaluator.closed_form import ClosedForm
from processes.network import DenseSynapse, Network, ScaleSynapse, TraceProduct
from processes.operation import Operation, Result
from tests.converters.modules import images, lowered, module, shrinking_attention, small_vit
from tests.evaluator.test_stepping import compare
from tests.tolerances import ROUNDING

NONE = Ingredients(**dict.fromkeys(asdict(ALL), False))


@cache
def converted(without: str = "", ingredients: Ingredients = ALL, spikes: int = 1) -> Conversion:
    """In 10 steps."""
    ingredients = replace(ingredients, **{without: False}) if without else ingredients
    return convert_module(small_vit(), [images(32)], 10, None, spikes=spikes, ingredients=ingredients)


def sites(conversion: Conversion) -> dict[str, Any]:
    assert conversion.tuning is not None
    return conversion.tuning.sites


def scales(network: Network) -> dict[str, np.ndarray]:
    return {name: scale_of(network, name) for name, node in network if hasattr(node.op, "scale")}


def same(first: Network, second: Network, *names: str) -> bool:
    """Whether all dense synapses have equal ``names``, which are attributes."""
    pairs = ((node.op, second[name]) for name, node in first if isinstance(node.op, DenseSynapse))
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for a, b in pairs for n in names)


def test_one_base_for_all() -> None:
    chosen, plain = sites(converted()), sites(converted("layer_bases"))
    assert len({site.base for site in chosen.values()}) > 1
    assert {site.base for site in plain.values()} == {converted().tuning.base}  # type: ignore[union-attr]
    assert any(site.scale < 1 for site in plain.values())


def test_scales_that_nothing_exceeds() -> None:
    chosen, plain = sites(converted()), sites(converted("layer_scales"))
    assert any(site.scale < 1 for site in chosen.values()) and all(site.scale == 1 for site in plain.values())
    assert len({site.base for site in plain.values()}) > 1


def scaled(ingredients: Ingredients) -> Network:
    network = lowered(small_vit(), torch.from_numpy(images(1)))
    network, _ = scale(network, images(48), ingredients=ingredients)
    return network


def test_one_scale_for_all_channels() -> None:
    own, shared = scales(scaled(ALL)), scales(scaled(replace(ALL, channel_scales=False)))
    assert any(np.ptp(values) > 0 for values in own.values())
    for name, values in shared.items():
        assert np.ptp(values) == 0 and values.max() >= own[name].max() / (1 + ROUNDING) / 2, name


def test_scales_of_keys_and_queries() -> None:
    """Their product never varies within a head; on their own they do if they may. Nothing else is scaled otherwise."""
    own, plain = scaled(ALL), scaled(replace(ALL, equal_products=False))
    product = next(node for _, node in own if isinstance(node.op, TraceProduct) and node.op.transpose_b)
    q, k = (own.origin(operand) for operand in product.inputs)
    for network, vary in ((own, True), (plain, False)):
        a, b = (scale_of(network, operand) for operand in product.inputs)
        assert (np.ptp(a * b, axis=-1) <= ROUNDING * (a * b).max(-1)).all()
        assert (np.ptp(a, axis=-1).max() > 0.01 * a.max()) == vary
    first, second = scales(own), scales(plain)
    assert all(np.array_equal(first[name], second[name]) for name in first if name not in (q, k))


def test_biases_as_they_were() -> None:
    corrected, plain = converted(), converted("biases")
    assert corrected.corrected and not plain.corrected and sites(corrected) == sites(plain)
    assert same(corrected.calibrated, plain.calibrated, "weight")
    assert not same(corrected.calibrated, plain.calibrated, "bias")


def test_weights_rounded_to_nearest() -> None:
    together, nearest = converted(), converted("rounding")
    assert together.fixed is not None and nearest.fixed is not None
    assert same(together.calibrated, nearest.calibrated, "weight", "bias")
    most = []
    for network in (together.fixed, nearest.fixed):
        pairs = [(node.op, nearest.calibrated[name]) for name, node in network if isinstance(node.op, DenseSynapse)]
        # a spike at the first step stands for 1 in floating point, and for the trace's first value in integers
        errors = [real.weight / op.unit[:, None] / op.trace[0] - op.weight for op, real in pairs]  # type: ignore[attr-defined]
        most.append(max(np.abs(error).max() for error in errors))
    assert most[0] > 0.6 and most[1] <= 0.5 + 1e4 * ROUNDING


def test_all_rows_count_the_same() -> None:
    weighed, plain = converted(), converted("importance")
    assert sites(weighed) == sites(plain)
    assert same(weighed.calibrated, plain.calibrated, "weight")
    assert weighed.corrected.keys() == plain.corrected.keys() and weighed.corrected != plain.corrected


def test_scales_are_raised_only_where_that_helps() -> None:
    """Where codes are fine and weights of very different sizes share a row, not next to the errors of coarse codes."""

    def raised(model: torch.nn.Module, x: np.ndarray, steps: int, spikes: int, ingredients: Ingredients = ALL) -> bool:
        first, second = (
            scales(convert_module(model, [x], steps, spikes=spikes, fixed=fixed, ingredients=ingredients).calibrated)
            for fixed in (False, True)
        )
        return any((second[name] > first[name]).any() for name in first)

    x = np.random.default_rng(3).normal(size=(64, 5, 16)).astype(np.float32)
    assert raised(shrinking_attention(), x, 40, 2)
    assert not raised(shrinking_attention(), x, 40, 2, replace(ALL, balance=False))
    assert not raised(small_vit(), images(32), 10, 2)
    assert not raised(shrinking_attention(), x, 40, 1)


def test_what_raised_scales_save_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """On more second spikes; the budget is of spikes that are sent."""
    found: list[tuple[float, Tuning]] = []

    def watched(*given: Any, saved: float = 1.0, **named: Any) -> Tuning:
        found.append((saved, tune(*given, saved=saved, **named)))
        return found[-1][1]

    sent = [100, 80]
    monkeypatch.setattr("converters.pipeline.tune", watched)
    monkeypatch.setattr("converters.pipeline._gains", lambda *_: True)
    monkeypatch.setattr("converters.pipeline._sent", lambda *_: sent.pop(0))
    conversion = convert_module(small_vit(), [images(32)], 10, None, spikes=None)
    (first, least), (second, more) = found
    assert (first, second) == (1, 100 / 80) and conversion.tuning is more
    spent = [sum(choice.spikes for choice in tuning.choices.values()) for tuning in (least, more)]
    assert spent[1] > 1.2 * spent[0]


def test_spikes_that_many_read_are_sent_once() -> None:
    network, sent = converted().network, [0, 0]

    def count(name: str, op: Operation, result: Result) -> None:
        y = result.values
        if op.emits == "spikes":
            sent[0] += int((y != 0).sum())
            sent[1] += 0 if "route" in name else int((y != 0).sum())

    ClosedForm(network).run(images(32), count)
    assert sent[0] > sent[1] == _sent(network, images(32), 7)


def test_units_are_powers_of_two() -> None:
    own, plain = converted(), converted("row_units")
    assert own.fixed is not None and plain.fixed is not None
    assert same(own.calibrated, plain.calibrated, "weight", "bias")

    def odd(network: Network) -> bool:
        units = [np.asarray(node.op.unit) for _, node in network if isinstance(node.op, DenseSynapse)]
        return any((np.exp2(np.rint(np.log2(unit))) != unit).any() for unit in units)

    assert odd(own.fixed) and not odd(plain.fixed)


@pytest.mark.parametrize("spikes", [1, 2])
def test_rows_use_all_bits(spikes: int) -> None:
    """But for the readout's, which have powers of two. Rounded together, even a row's largest weight moves a little."""
    fixed = converted(spikes=spikes).network
    rows = {
        name: np.abs(node.op.weight.astype(int)).max(1) for name, node in fixed if isinstance(node.op, DenseSynapse)
    }
    readout = rows.pop("head")
    assert len(rows) == 4 and min(row.min() for row in rows.values()) >= 118 > readout.min()


def test_weights_of_neurons_of_their_own_have_more_bits_than_a_mantissa() -> None:
    """A post-norm network's stream: the weight and what the stream multiplies by share the rounding."""
    norm = torch.nn.LayerNorm(64)
    torch.nn.init.uniform_(norm.weight, 0.5, 2.0)
    model = module(lambda m, x: m.o(m.n(x) + m.a(m.n(x))), n=norm, a=torch.nn.Linear(64, 64), o=torch.nn.Linear(64, 3))
    x = np.random.default_rng(0).normal(size=(32, 5, 64)).astype(np.float32)

    def error(ingredients: Ingredients) -> float:
        conversion = convert_module(model, [x], 16, 1.3, ingredients=ingredients)
        ((name, op),) = [(name, node.op) for name, node in conversion.network if isinstance(node.op, ScaleSynapse)]
        real = conversion.calibrated[name].weight  # type: ignore[attr-defined]
        return np.abs(op.weight * op.unit * op.trace[0] / real - 1).max()  # type: ignore[index]

    assert error(ALL) < 2**-10 and error(replace(ALL, row_units=False)) > 2**-8


@pytest.mark.parametrize("field", ["channel_scales", "equal_products"])
def test_whole_conversions_have_those_scales(field: str) -> None:
    full, without = converted().fixed, converted(field).fixed
    assert full is not None and without is not None and not same(full, without, "weight")


def test_the_plain_recipe_steps_as_its_closed_form() -> None:
    plain = converted(ingredients=NONE)
    assert plain.fixed is not None and not plain.corrected
    assert {(site.base, site.scale) for site in sites(plain).values()} == {(plain.calibrated.header.base, 1.0)}
    assert compare(plain.fixed, images(2, seed=5)) > 200
