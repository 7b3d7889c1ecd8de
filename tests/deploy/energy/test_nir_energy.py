"""`deploy energy FILE.nir`: events of a standard graph next to loops, and next to the folder that the file came with."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import nir
import numpy as np
import pytest

from deploy.cli import main
from deploy.nir_energy import counting_of
from deploy.trained.energy import energies
from targets.nir_graph.plan import make_plan
from targets.nir_graph.program import compile_float, interpret

SAMPLES, STEPS, DT = 5, 6, 1e-3


def graph() -> nir.NIRGraph:
    """A convolution, a pool, a layer that hears two populations, a readout that only integrates."""
    rng = np.random.default_rng(0)

    def lif(*shape: int) -> nir.LIF:
        ones = np.ones(shape)
        return nir.LIF(tau=2e-3 * ones, r=ones, v_leak=0 * ones, v_threshold=0.5 * ones, v_reset=0 * ones)

    weight = rng.normal(0, 1, (3, 2, 3, 3))
    weight[0, 1] = 0  # synapses that are not stored
    nodes: dict[str, nir.NIRNode] = {
        "input": nir.Input({"input": np.array([2, 6, 6])}),
        "conv": nir.Conv2d(None, weight, (1, 1), (1, 1), (1, 1), 1, np.zeros(3)), "first": lif(3, 6, 6),
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([3, 3, 3])}, 0, -1), "fc": nir.Linear(rng.normal(0, 1, (4, 27))),
        "second": lif(4), "back": nir.Linear(rng.normal(0, 1, (4, 4))),
        "out": nir.Affine(rng.normal(0, 1, (2, 4)), np.zeros(2)),
        "read": nir.LI(tau=np.full(2, 5e-3), r=np.ones(2), v_leak=np.zeros(2)), "output": nir.Output({"output": np.array([2])}),
    }  # fmt: skip
    chain = ["input", "conv", "first", "pool", "flat", "fc", "second", "out", "read", "output"]
    edges = list(itertools.pairwise(chain))
    return nir.NIRGraph(nodes, [*edges, ("second", "back"), ("back", "second")])


def test_events_are_those_of_loops() -> None:
    net = graph()
    plan = make_plan(net, DT)
    spikes = np.random.default_rng(1).integers(0, 3, (SAMPLES, STEPS, 2, 6, 6)).astype(float)
    counting = counting_of(plan, compile_float(plan, DT), spikes)
    counting.run(spikes)
    program = compile_float(plan, DT)
    traces = interpret(program, {"input": spikes})
    events, counts = counting.counts.events, counting.counts
    first, second = traces.spikes["first"], traces.spikes["second"]
    assert 0 < first.sum() < first.size and 0 < second.sum() < second.size
    reached = 0
    for image in spikes.reshape(-1, 2, 6, 6):
        for channel, row, column in np.argwhere(image):
            rows, columns = (sum(0 <= at + d < 6 for d in (-1, 0, 1)) for at in (row, column))
            reached += image[channel, row, column] * rows * columns * (3 if channel == 0 else 2)
    assert events["conv"] == {"synaptic_operations": reached}
    assert events["fc"] == {"synaptic_operations": 4 * first.sum()}
    assert events["back"] == {"synaptic_operations": 4 * second[:, :-1].sum()}  # a step later, so not after the last
    assert events["out"] == {"synaptic_operations": 2 * second.sum()}
    assert events["first"]["spikes"] == first.sum() and events["first"]["neuron_steps"] == first.size
    assert events["read"]["neuron_steps"] == SAMPLES * STEPS * 2 and events["read"]["compares"] == 0
    assert events["second +"] == {"shortcut_additions": SAMPLES * STEPS * 4}
    assert counts.nominal == {"conv": 3 * 36 * 18, "fc": 4 * 27, "back": 16, "out": 8}
    formula = energies(counting).formula
    assert formula.first_macs == 3 * 36 * 18
    rates = first.sum() / (SAMPLES * STEPS * 27) * 108, second.mean() * (16 + 8)
    assert np.isclose(formula.operations, STEPS * sum(rates), rtol=1e-12)
    assert not any("first layer" in event for event in formula.left_out)


def test_an_input_of_real_numbers_is_multiplied() -> None:
    plan = make_plan(graph(), DT)
    x = np.random.default_rng(1).uniform(0.1, 1, (SAMPLES, STEPS, 2, 6, 6))
    counting = counting_of(plan, compile_float(plan, DT), x)
    counting.run(x)
    assert set(counting.counts.events["conv"]) == {"macs"}
    assert "macs of the first layer in the steps after the first" in energies(counting).formula.left_out


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nir.write(tmp_path / "net.nir", graph())
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(1).integers(0, 2, (60, STEPS, 2, 6, 6)).astype(np.float32))
    command = ["energy", str(tmp_path / "net.nir"), "--input", str(tmp_path / "x.npz"), "--dt", "1e-3"]
    assert main([*command, "--samples", "60", "--layers"]) == 0  # more than a batch
    shown = capsys.readouterr().out
    assert "published formula" in shown and "Loihi" in shown and "second" in shown
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["events"]["spikes"] > 0 and {"formula", "energy"} < found.keys()
    for wrong, said in (
        (command[:2], "--input missing"),
        ([*command, "--samples", "0"], "--samples"),
        (["energy", str(tmp_path), "--input", str(tmp_path / "x.npz")], "leave the option out"),
    ):
        assert main(wrong) == 2
        assert said in " ".join(capsys.readouterr().err.split())


def test_a_file_costs_what_its_folder_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Events of deploy trained, and of the standard file that it wrote."""
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\nfrom converters.trained.nodes import LIFNode\n\n\n"
        "def build():\n    torch.manual_seed(0)\n"
        "    net = nn.Sequential(nn.Linear(6, 8), LIFNode(), nn.Linear(8, 4), LIFNode(v_threshold=0.4))\n"
        "    net[0].weight.data *= 4\n    net[2].weight.data *= 4\n    return net\n"
    )
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).integers(0, 3, (SAMPLES, 5, 6)).astype(np.float32))
    options = ["--form", "step", "--frames", "5", "--samples", f"{SAMPLES}", "--lava-samples", "0"]
    data = str(tmp_path / "x.npz")
    assert (
        main(["trained", "--model", f"{tmp_path}/net.py:build", "--data", data, *options, "-o", f"{tmp_path}/out"]) == 0
    )
    capsys.readouterr()
    found = []
    for command in ([f"{tmp_path}/out"], [f"{tmp_path}/out/graph.nir", "--input", data]):
        assert main(["energy", *command, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["events"]["spikes"] > 0 and found[0] == found[1]
