"""A spiking layer pair composed by hand from our Lava Processes, in an ordinary Lava script.

    python examples/lava_by_hand.py

Twelve inputs are phase-coded, weighted by a dense synapse, fired again through a GELU schedule and read out; each
population fires in the window after the one in which its input arrives. The closed form gives the same spikes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

import processes.lava  # noqa: F401 - before anything of Lava's
from processes.lava.record import Recording
from processes.lava.source import SourceProcess
from processes.operation import Window
from processes.phase_code import PhaseCode
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.lava import PhaseNeuronProcess
from processes.phase_neuron.schedule import FloatSchedule
from processes.readout import Readout
from processes.readout.lava import ReadoutProcess
from processes.synapse import DenseSynapse
from processes.synapse.lava import DenseProcess
from targets.lava_sim.runtime import run_processes

T = 40
PERIOD = 2 * T + 1
INPUTS, HIDDEN, OUTPUTS, SAMPLES = 12, 8, 4, 3


def neuron(function: str, size: int, scale: float, code: PhaseCode) -> PhaseNeuron:
    """A population of phase neurons that all share one scale."""
    one = np.ones((1, 1))
    schedule = FloatSchedule(function=function, scale=scale * one, unit=one, base=code.base, steps=code.steps)
    return PhaseNeuron(shape=(1, size), schedule=schedule)


def dense(rng: np.random.Generator, out: int, size: int, scale: float, code: PhaseCode) -> DenseSynapse:
    """Random weights; the scale of the spikes that come is folded into them."""
    weight = rng.normal(size=(out, size)) * scale
    return DenseSynapse(shape=(1, out), weight=weight, bias=rng.normal(size=out), trace=code.levels)


def main() -> None:
    """Build, run, compare."""
    rng, code = np.random.default_rng(0), PhaseCode(1.15, T)
    samples = rng.normal(size=(SAMPLES, 1, INPUTS))
    encoder, first = neuron("identity", INPUTS, 3.0, code), dense(rng, HIDDEN, INPUTS, 3.0, code)
    hidden, second = neuron("gelu", HIDDEN, 8.0, code), dense(rng, OUTPUTS, HIDDEN, 8.0, code)
    readout = Readout(shape=(1, OUTPUTS), unit=np.ones((1, 1)))

    with tempfile.TemporaryDirectory() as folder:
        spikes, result = Path(folder) / "hidden.npy", Path(folder) / "readout.npy"
        a, b, end = Window(0, T), Window(T, 2 * T), Window(2 * T, PERIOD)
        source = SourceProcess(samples, PERIOD)
        encode = PhaseNeuronProcess(encoder, [(1, INPUTS)], a, PERIOD, name="encoder")
        weigh = DenseProcess(first, [(1, INPUTS)], a, PERIOD, name="first")
        fire = PhaseNeuronProcess(hidden, [(1, HIDDEN)], b, PERIOD, record=Recording(spikes, SAMPLES), name="hidden")
        weigh_again = DenseProcess(second, [(1, HIDDEN)], b, PERIOD, name="second")
        read = ReadoutProcess(readout, [(1, OUTPUTS)], end, PERIOD, record=Recording(result, SAMPLES), name="readout")

        source.y_out.connect(encode.v_in)
        encode.s_out.connect(weigh.s_in)
        weigh.a_out.connect(fire.v_in)
        fire.s_out.connect(weigh_again.s_in)
        weigh_again.a_out.connect(read.v_in)
        run_processes([source, encode, weigh, fire, weigh_again, read], PERIOD, SAMPLES, "float")
        stepped, outputs = np.load(spikes), np.load(result)

    x = torch.from_numpy(samples)
    currents = first.closed_form(encoder.closed_form(x).values, dtype=torch.float64).values
    codes = hidden.closed_form(currents).values
    expected = second.closed_form(codes, dtype=torch.float64).values
    print("spikes of the hidden layer, step + 1 with sign, sample 0:", stepped[0, 0, 0])
    print("same spikes as the closed form:", bool((stepped.swapaxes(0, 1) == codes.numpy()).all()))
    print("readout potentials:", np.round(outputs[0, 0], 3), "closed form:", np.round(expected[0, 0].numpy(), 3))


if __name__ == "__main__":
    main()
