"""Trained spiking networks in Lava: the integers and floats of the interpreter, every spike, potential and overflow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("lava.magma")

import processes.lava  # noqa: F401
from converters.trained import capture, nodes
from processes.spiking import MaxPool, Neuron, Product, Reduce
from targets.nir_graph.lava import partition, run_in_lava
from targets.nir_graph.program import Program, Traces, interpret
from targets.trained.program import compile_fixed, compile_float
from tests.tolerances import ROUNDING

STEPS, SAMPLES = 4, 2


class Everything(nn.Module):
    """Products in both orders, token, channel and mask attention, IAND, ADD, pools, and a layer that feeds itself."""

    def __init__(self) -> None:
        super().__init__()
        snn = pytest.importorskip("snntorch")
        torch.manual_seed(0)
        self.conv, self.first = nn.Conv2d(1, 4, 3, padding=1), nodes.LIFNode(tau=2.0)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.q, self.k, self.v = (nn.Sequential(nn.Linear(4, 8), nodes.LIFNode(tau=1.5)) for _ in range(3))
        for layer in (self.conv, self.q[0], self.k[0], self.v[0]):
            layer.weight.data *= 6
        self.token, self.channel, self.mask = (nodes.LIFNode(v_threshold=v) for v in (1.5, 0.5, 0.5))
        self.left, self.right = nodes.LIFNode(v_threshold=0.5), nodes.IFNode(v_threshold=2.0, v_reset=None)
        self.back = snn.RLeaky(0.8, linear_features=8, init_hidden=True)
        self.out = snn.Synaptic(0.7, 0.9, init_hidden=True, output=True, reset_mechanism="none")

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.first(self.conv(x))).flatten(2).transpose(1, 2)
        q, k, v = self.q(x), self.k(x), self.v(x)
        y = self.left((q @ k.transpose(1, 2)) @ v * 0.125) + self.right(q @ (k.transpose(1, 2) @ v))
        y = y + self.token(q.sum(2, keepdim=True)) * k + self.channel(q.sum(1, keepdim=True)) * k
        y = y + q * self.mask((k * v).sum(1, keepdim=True)) + q * (1 - k)
        return self.out(self.back(y.mean(1)))[2]


def programs() -> tuple[Any, np.ndarray, Program, Program]:
    """The graph, frames, and both programs."""
    graph = capture(Everything(), (1, 6, 6), "step", STEPS)
    x = np.random.default_rng(0).uniform(0, 2, (SAMPLES, STEPS, *graph.nodes[graph.input].shape))
    floating = compile_float(graph)
    return graph, x, floating, compile_fixed(graph, interpret(floating, {graph.input: x}).peaks, x)


def same(a: Traces, b: Traces, exact: bool) -> None:
    for kind in ("outputs", "spikes", "potentials", "overflows"):
        first, second = getattr(a, kind), getattr(b, kind)
        assert first.keys() == second.keys(), kind
        for name in first:
            margin = 0 if exact or kind in ("spikes", "overflows") else ROUNDING * 1e3
            np.testing.assert_allclose(first[name], second[name], margin, margin, err_msg=f"{kind} of {name}")


def test_lava_computes_what_the_interpreter_does() -> None:
    graph, x, floating, fixed = programs()
    kinds = [type(node.op) for node in graph.nodes.values()]
    assert {Product, MaxPool, Reduce, Neuron} <= set(kinds) and kinds.count(Product) == 9
    assert any(wire.carried for node in graph.nodes.values() for wire in node.wires)
    for program, exact, granularity in ((fixed, True, "operation"), (floating, False, "block")):
        expected = interpret(program, {"input": x}, potentials=True)
        rates = {name: float(spikes.mean()) for name, spikes in expected.spikes.items()}
        assert all(0 < rate < 1 for rate in rates.values()), f"{rates}"
        assert len(partition(program, granularity)) > (30 if granularity == "operation" else 10)
        found = run_in_lava(program, {"input": x}, granularity, potentials=True)
        same(found, expected, exact)
        if exact:
            integers = found
    wrong = {name: replace(stage) for name, stage in fixed.stages.items()}
    wrong["first"].node = wrong["right"].node  # another threshold and reset
    with pytest.raises((AssertionError, ValueError)):
        same(interpret(replace(fixed, stages=wrong), {"input": x}, potentials=True), integers, True)
