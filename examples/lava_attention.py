# %% [markdown]
# # A head of attention by hand in Lava: phase neurons, a trace product, WOSS, SI-exp and SI-norm
#
# Five tokens are coded as queries and as keys, one spike per value. Their products are formed from spikes and traces, without
# a multiplication of activations. Two softmaxes read the same potentials: WOSS, a race that starts at the row's largest, and
# SI-exp with SI-norm, which spell exponentials and their shares in binary digits. Lava steps all of it; every spike is the
# closed form's.
#
#     python examples/lava_attention.py [spikes.svg]      # with matplotlib, also a plot of all spikes

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
from processes.si_exp import SiExp
from processes.si_exp.calibration import with_tables
from processes.si_exp.lava import SiExpProcess
from processes.si_norm import SiNorm
from processes.si_norm.lava import SiNormProcess
from processes.trace_product import TraceProduct
from processes.trace_product.lava import TraceBroadcasterProcess, TraceProductProcess
from processes.woss import Woss
from processes.woss.lava import WossProcess
from targets.lava_sim.runtime import run_processes

TOKENS, FEATURES, T, K, SCALE = 5, 6, 32, 12, 3.0
ROWS = (1, TOKENS, TOKENS)  # one head
CODE = PhaseCode(1.15, T)
GAIN = np.array([1 / np.sqrt(FEATURES)])  # of attention

# %% The operations, in real units. A neuron's level k stands for SCALE * B^-k, and so does its trace.
one = np.ones((1, 1, 1))
coder = PhaseNeuron(
    shape=(1, TOKENS, FEATURES),
    schedule=FloatSchedule(function="identity", scale=SCALE * one, unit=one, base=CODE.base, steps=T),
)
product = TraceProduct(shape=ROWS, traces=np.stack([SCALE * CODE.levels] * 2), transpose_b=True, bias=0 * one)
ramp = ((np.arange(T) + 0.5) * np.log(CODE.base) / GAIN)[None]  # the threshold that falls behind the winner
woss = Woss(shape=ROWS, ramp=ramp, base=CODE.base, steps=T, gain=GAIN)
table = np.ones((1, 1))
si_exp = with_tables(
    SiExp(shape=ROWS, threshold=table, reset=table, output=table, gain=GAIN, clock=table, half=np.ones(1)),
    np.ones(1), K, extended=True,
)  # fmt: skip
si_norm = SiNorm(shape=ROWS, output=si_exp.output, digits=si_exp.digits, steps=K, scale=one)

# %% Their windows: each integrates while the one before it fires.
first = Window(0, T)
race = woss.window([first], [first.stop])
exponential = si_exp.window([first], [first.stop])
shares = si_norm.window([exponential], [exponential.stop])
period = max(race.stop, shares.stop)

# %% Processes, and what connects them. Keys and queries differ by a fixed rotation, so that attention is not symmetric.
rng = np.random.default_rng(0)
tokens = rng.normal(size=(1, 1, TOKENS, FEATURES))
queries, keys = tokens, np.roll(tokens, 1, -1)


def stepped(folder: Path) -> dict[str, np.ndarray]:
    """Codes (planes, *shape) of every firing population: 0, or the step of a spike counted from 1, with its sign."""

    def record(name: str, planes: int = 1) -> Recording:
        return Recording(folder / f"{name}.npy", 1, planes)

    sources = SourceProcess(queries, period, "queries"), SourceProcess(keys, period, "keys")
    shape = coder.shape
    q = PhaseNeuronProcess(coder, [shape], first, period, record=record("queries"), name="q")
    k = PhaseNeuronProcess(coder, [shape], first, period, record=record("keys"), name="k")
    trace = TraceBroadcasterProcess(product.traces, [first, first], period, "trace")
    logits = TraceProductProcess(product, [shape, shape, (2,)], first, period, name="logits")
    winner = WossProcess(woss, [ROWS], race, period, record=record("WOSS"), name="woss")
    powers = SiExpProcess(si_exp, [ROWS], exponential, period, record=record("SI-exp", si_exp.spikes), name="exp")
    norm = SiNormProcess(si_norm, [ROWS], shares, period, record=record("SI-norm", si_norm.spikes), name="norm")
    for source, population in zip(sources, (q, k), strict=True):
        source.y_out.connect(population.v_in)
    q.s_out.connect(logits.a_in)
    k.s_out.connect(logits.b_in)
    trace.p_out.connect(logits.p_in)
    logits.v_out.connect(winner.v_in)
    logits.v_out.connect(powers.v_in)
    powers.s_out.connect(norm.s_in)
    run_processes([*sources, q, k, trace, logits, winner, powers, norm], period, 1, "float")
    return {path.stem: np.load(path)[0] for path in folder.glob("*.npy")}


def closed() -> dict[str, np.ndarray]:
    """The same without stepping."""
    q, k = (coder.closed_form(torch.from_numpy(x[0])[None]).values for x in (queries, keys))
    v = product.closed_form(q, k, dtype=torch.float64).values
    powers = si_exp.closed_form(v).values
    found = {"queries": q, "keys": k, "WOSS": woss.closed_form(v).values, "SI-exp": powers,
             "SI-norm": si_norm.closed_form(powers).values}  # fmt: skip
    return {name: codes[:, 0].numpy() for name, codes in found.items()}


# %% Run, compare, and read both softmaxes beside the exact one.
with tempfile.TemporaryDirectory() as place:
    spikes = stepped(Path(place))
expected = closed()
for name, codes in expected.items():
    assert np.array_equal(spikes[name], codes), name
    print(f"{name}: {np.count_nonzero(codes)} spikes, the closed form's in every step")
exact = torch.softmax(torch.from_numpy(queries[0, 0] @ keys[0, 0].T) * GAIN[0], -1).numpy()
raced = np.where(spikes["WOSS"][0] > 0, CODE.base ** -(np.abs(spikes["WOSS"][0]) - 1.0), 0.0)[0]
spelled = np.where(spikes["SI-norm"] > 0, si_norm.code.levels[np.abs(spikes["SI-norm"]) - 1], 0.0).sum(0)[0]
for name, weights in (("WOSS", raced / raced.sum(-1, keepdims=True)), ("SI-norm", spelled)):
    print(f"softmax by {name}: largest error of a weight {np.abs(weights - exact).max():.3f}")

# %% Plot: a row for each neuron, in the steps of the sample; blue positive, orange negative
if importlib.util.find_spec("matplotlib"):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    starts = {"queries": 0, "keys": 0, "WOSS": race.start, "SI-exp": exponential.start, "SI-norm": shares.start}
    for (name, start), axes in zip(starts.items(), figure.subplots(len(starts), 1, sharex=True), strict=True):
        planes = spikes[name].reshape(len(spikes[name]), -1)
        plane, neuron = np.nonzero(planes)
        codes = planes[plane, neuron]
        axes.scatter(start + np.abs(codes) - 1, neuron, s=8, marker="|", c=np.where(codes > 0, "#0b6bcb", "#d1540a"))
        axes.set(title=name, ylabel="neuron", xlim=(0, period))
    axes.set_xlabel("time step")
    if "ipykernel" in sys.modules:
        from IPython.display import SVG, display

        figure.savefig("spikes.svg")
        display(SVG("spikes.svg"))
    elif len(sys.argv) > 1:
        figure.savefig(sys.argv[1])
        print(f"spikes drawn in {sys.argv[1]}")
