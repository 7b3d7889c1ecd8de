"""Corrections by calibration data: biases that lower the error of unseen samples, and weights of what nobody reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from converters.calibrate import encode, scale, uniform
from converters.correct import HELD_BACK, correct_biases, output_errors
from converters.coverage import spread
from converters.discretise.rounding import moments
from converters.evidence import gather
from converters.families import WORDS, hugging
from converters.lowering import lower
from converters.pipeline import front_end, network_input
from processes.network import DenseSynapse, LoweredNetwork, Network
from processes.phase_code import PhaseCode
from tests.converters.modules import images, lowered, small_vit
from tests.tolerances import ROUNDING

CODE = PhaseCode(1.6, 8)


@pytest.fixture(scope="module")
def pair() -> tuple[Network, Network]:
    """A small ViT lowered, and coded coarsely."""
    ideal = lowered(small_vit(), torch.from_numpy(images(1)))
    spiking, peaks = scale(ideal, images(64))
    return ideal, encode(spiking, uniform(spiking, CODE.base, 1), CODE, peaks)


def test_a_bias_that_all_samples_miss_is_given_back(pair: tuple[Network, Network]) -> None:
    ideal, spiking = pair
    broken = spiking.copy()
    name = next(name for name, node in broken if isinstance(node.op, DenseSynapse))
    broken.put(name, replace(broken[name], bias=broken[name].bias + 0.3))  # type: ignore[attr-defined]
    corrected, gained = correct_biases(ideal, broken, images(64))
    assert gained[name] > 0.5 and all(0 <= share < 1 for share in gained.values())
    assert abs((corrected[name].bias - spiking[name].bias).mean()) < 0.03  # type: ignore[attr-defined]
    unseen = images(64, seed=3)
    after, before = output_errors(ideal, (corrected, broken), unseen)
    assert after < before


def test_what_does_not_help_held_back_samples_is_not_kept(pair: tuple[Network, Network]) -> None:
    """A network that is right already, and a single sample, which leaves nothing to hold back."""
    ideal, spiking = pair
    assert correct_biases(ideal, spiking, images(1)) == (spiking, {})
    corrected, gained = correct_biases(ideal, spiking, images(64))
    after, before = output_errors(ideal, (corrected, spiking), images(64))
    kept = after < before
    assert kept if gained else corrected is spiking
    narrow = images(64)
    order = np.random.default_rng(0).permutation(64)
    narrow[order[HELD_BACK:]] = narrow[0]  # biases that suit one image alone, judged by others
    assert correct_biases(ideal, spiking, narrow) == (spiking, {})


def importance_of(network: LoweredNetwork, samples: np.ndarray) -> dict[str, np.ndarray]:
    """Of rows of synapses."""
    return gather(scale(network, samples)[0], samples, 8).importance


@pytest.mark.filterwarnings("ignore")  # of transformers, while it builds and exports models
def test_padding_does_not_count() -> None:
    """What follows from padding tokens alone has no importance, and rows without any leave no trace in the moments."""
    model, arguments = spread(hugging("Bert", "Model", **WORDS | {"num_hidden_layers": 1}))
    numbers = [argument.numpy()[:4] for argument in arguments]
    captured, front = front_end(model, numbers)
    samples = network_input(front, numbers)
    network = lower(captured, samples[:1].shape, False)
    importance = importance_of(network, samples)
    padding = numbers[1] == 0
    assert padding.any() and not padding.all()
    for name, rows in importance.items():
        if rows.shape == padding.shape:  # one row a token, not the pooled one
            assert (not rows[padding].any() and rows[~padding].all()) or "pooler" in name, name

    op = next(node.op for _, node in network if isinstance(node.op, DenseSynapse))
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(4, padding.shape[1], op.weight.shape[1])))
    kept = x[torch.from_numpy(~padding)][None]
    seen, alone = moments(op, x, torch.from_numpy((~padding).astype(np.float32))), moments(op, kept)
    assert seen.count == alone.count
    np.testing.assert_allclose(seen.covariance(0), alone.covariance(0), rtol=1e4 * ROUNDING, atol=1e4 * ROUNDING)


def test_importance_follows_what_the_outputs_read() -> None:
    """Behind the last attention, only the class token's rows reach the classes."""
    network = lowered(small_vit(), torch.from_numpy(images(1)))
    importance = importance_of(network, images(4))
    last = next(rows for name, rows in importance.items() if "fc2" in name)
    assert last[:, 0].all() and not last[:, 1:].any()
