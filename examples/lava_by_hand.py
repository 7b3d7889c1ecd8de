# %% [markdown]
# # Phase neurons by hand in Lava
#
# Twelve inputs are phase-coded, weighted by a dense synapse, fired again through a GELU schedule and read out: an ordinary Lava
# script of four of our Processes. Each population fires in the window of T steps after the one in which its input arrives; a
# spike at step k of a window stands for the population's scale times B^-k, with the spike's sign. The closed form, which does
# not step, gives the same spikes.
#
#     python examples/lava_by_hand.py [spikes.svg]      # with matplotlib, also a plot of all spikes

# %%
from __future__ import annotations

import importlib.util
import sys
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
CODE = PhaseCode(1.15, T)
rng = np.random.default_rng(0)


# %% The operations: two populations, two synapses, a readout
def neuron(function: str, size: int, scale: float) -> PhaseNeuron:
    """A population of phase neurons that all share one scale."""
    one = np.ones((1, 1))
    schedule = FloatSchedule(function=function, scale=scale * one, unit=one, base=CODE.base, steps=CODE.steps)
    return PhaseNeuron(shape=(1, size), schedule=schedule)


def dense(out: int, size: int, scale: float) -> DenseSynapse:
    """Random weights; the scale of the spikes that come is folded into them."""
    weight = rng.normal(size=(out, size)) * scale
    return DenseSynapse(shape=(1, out), weight=weight, bias=rng.normal(size=out), trace=CODE.levels)


samples = rng.normal(size=(SAMPLES, 1, INPUTS))
encoder, first = neuron("identity", INPUTS, 3.0), dense(HIDDEN, INPUTS, 3.0)
hidden, second = neuron("gelu", HIDDEN, 8.0), dense(OUTPUTS, HIDDEN, 8.0)
readout = Readout(shape=(1, OUTPUTS), unit=np.ones((1, 1)))


# %% Their Processes, what connects them, and a run through all samples
def stepped(folder: Path) -> dict[str, np.ndarray]:
    """What Lava records: spikes (samples, planes, ...) of both populations, 0 or the step counted from 1 with its sign."""

    def record(name: str) -> Recording:
        return Recording(folder / f"{name}.npy", SAMPLES)

    a, b, end = Window(0, T), Window(T, 2 * T), Window(2 * T, PERIOD)
    source = SourceProcess(samples, PERIOD)
    encode = PhaseNeuronProcess(encoder, [(1, INPUTS)], a, PERIOD, record=record("inputs"), name="encoder")
    weigh = DenseProcess(first, [(1, INPUTS)], a, PERIOD, name="first")
    fire = PhaseNeuronProcess(hidden, [(1, HIDDEN)], b, PERIOD, record=record("hidden"), name="hidden")
    weigh_again = DenseProcess(second, [(1, HIDDEN)], b, PERIOD, name="second")
    read = ReadoutProcess(readout, [(1, OUTPUTS)], end, PERIOD, record=record("readout"), name="readout")
    source.y_out.connect(encode.v_in)
    encode.s_out.connect(weigh.s_in)
    weigh.a_out.connect(fire.v_in)
    fire.s_out.connect(weigh_again.s_in)
    weigh_again.a_out.connect(read.v_in)
    run_processes([source, encode, weigh, fire, weigh_again, read], PERIOD, SAMPLES, "float")
    return {path.stem: np.load(path) for path in folder.glob("*.npy")}


with tempfile.TemporaryDirectory() as place:
    found = stepped(Path(place))

# %% The closed form: the same spikes and potentials
x = torch.from_numpy(samples)
currents = first.closed_form(encoder.closed_form(x).values, dtype=torch.float64).values
codes = hidden.closed_form(currents).values
expected = second.closed_form(codes, dtype=torch.float64).values
same = bool((found["hidden"].swapaxes(0, 1) == codes.numpy()).all())
print("spikes of the hidden layer, step + 1 with sign, sample 0:", found["hidden"][0, 0, 0])
print("same spikes as the closed form:", same)
outputs = found["readout"][0, 0]
print("readout potentials:", np.round(outputs, 3), "closed form:", np.round(expected[0, 0].numpy(), 3))
assert same and np.allclose(outputs, expected[0, 0].numpy())

# %% Plot: a row for each neuron, in the steps of the first sample; blue positive, orange negative
if importlib.util.find_spec("matplotlib"):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    starts = {"inputs": 0, "hidden": T}
    for (name, start), axes in zip(starts.items(), figure.subplots(len(starts), 1, sharex=True), strict=True):
        spikes = found[name][0].reshape(-1)
        (fired,) = np.nonzero(spikes)
        colours = np.where(spikes[fired] > 0, "#0b6bcb", "#d1540a")
        axes.scatter(start + np.abs(spikes[fired]) - 1, fired, s=40, marker="|", c=colours)
        axes.set(title=name, ylabel="neuron", xlim=(0, PERIOD))
    axes.set_xlabel("time step")
    if "ipykernel" in sys.modules:
        from IPython.display import SVG, display

        figure.savefig("spikes.svg")
        display(SVG("spikes.svg"))
    elif len(sys.argv) > 1:
        figure.savefig(sys.argv[1])
        print(f"spikes drawn in {sys.argv[1]}")
