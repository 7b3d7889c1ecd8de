"""The schedule of a sample: a stage fires when its input is complete, and nothing is read before it is
there.
"""

from __future__ import annotations

import pytest
import torch

from evaluator.timeline import timeline
from processes.network import (
    DynamicThreshold,
    Network,
    PhaseNeuron,
    Readout,
    Residual,
    Synapse,
    TraceProduct,
    Woss,
)
from processes.operation import Window
from processes.phase_code import PhaseCode
from tests.converters.modules import images, small_vit, spiking

T = 16


@pytest.fixture(scope="module")
def network() -> Network:
    return spiking(small_vit(), torch.from_numpy(images(4)), PhaseCode(1.4, T))


def test_a_block_takes_eight_windows(network: Network) -> None:
    """Image, 8 windows of a pre-norm block (two of them with a winner to find), head: counted by hand.

    image | code1 norm1 qkv woss division | code2 norm2 gelu | last norm's code and division; and the two
    steps of
    the exchange with the row's inhibitory neuron.
    """
    times = timeline(network)
    # image 1, norm1 2, qkv 1, woss 1, division 1, norm2 2, gelu 1, norm 2
    assert times.period == 11 * T + 2 + 1
    assert times.windows[Network.INPUT] == Window(0, 1)
    assert times.windows["input.neuron"] == Window(0, T)


def test_every_window_begins_when_its_input_is_complete(network: Network) -> None:
    times = timeline(network)
    for name, node in network:
        window = times.windows[name]
        ready = []
        for source in node.inputs:
            emits = "graded" if source == Network.INPUT else network[source].emits
            ready.append(times.windows[source].start if emits == "graded" else times.windows[source].stop)
        match node.op:
            case PhaseNeuron() | DynamicThreshold():
                assert window == Window(max(ready), max(ready) + T), name
            case Woss():
                assert window == Window(max(ready) + 2, max(ready) + 2 + T), name
            case Synapse():
                assert window == times.windows[node.inputs[0]], name
            case Residual() | Readout():
                assert window == Window(max(ready), max(ready) + 1), name
        span = times.span(network, name)
        assert span.start == min(times.windows[source].start for source in node.inputs) and span.stop == window.stop
        assert 0 <= span.start < span.stop <= times.period


def test_values_wait_for_the_weights(network: Network) -> None:
    """V fires before A is there; the product begins with the later operand."""
    times = timeline(network)
    [av] = [node for _, node in network if isinstance(node.op, TraceProduct) and not node.op.transpose_b]
    weights, values = (times.windows[source] for source in av.inputs)
    assert values.stop <= weights.start
