# %% [markdown]
# # An snnTorch network onto Loihi's integers
#
# A network of leaky neurons, trained in snnTorch, written as NIR and stepped in 8-bit weights, 12-bit decays and 24-bit
# potentials. Loihi resets a neuron at its spike; snnTorch's default, subtraction, comes a step later, which no chip has. Resets
# to zero are the same at the spike and a step later, so the network is trained with them.
#
#     python examples/snntorch_to_loihi.py

# %% Train: which half of twelve inputs spikes more often?
from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from pathlib import Path

import nir
import numpy as np
import snntorch as snn
import torch
from snntorch.export_nir import export_to_nir
from torch import nn

from deploy.cli import main

STEPS, INPUTS, HIDDEN, CLASSES = 30, 12, 24, 2


def samples(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes (count, STEPS, INPUTS) of 0 and 1, and which half has more of them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    rates = np.where(np.arange(INPUTS) // (INPUTS // 2) == labels[:, None], 0.3, 0.15)
    return torch.from_numpy((rng.random((count, STEPS, INPUTS)) < rates[:, None]).astype(np.float32)), torch.from_numpy(
        labels
    )


def neuron(size: int) -> snn.Leaky:
    """Leaky neurons that reset to zero; thresholds as arrays, as NIR wants them."""
    return snn.Leaky(
        beta=torch.full((size,), 0.9), threshold=torch.ones(size), init_hidden=True, reset_mechanism="zero"
    )


torch.manual_seed(0)
net = nn.Sequential(nn.Linear(INPUTS, HIDDEN), neuron(HIDDEN), nn.Linear(HIDDEN, CLASSES), neuron(CLASSES))


def spikes(x: torch.Tensor) -> torch.Tensor:
    """Output spikes (samples, STEPS, CLASSES)."""
    for layer in net:
        if isinstance(layer, snn.Leaky):
            layer.reset_mem()
            layer.detach_hidden()
    return torch.stack([net(step) for step in x.swapaxes(0, 1)], 1)


optimiser = torch.optim.Adam(net.parameters(), 2e-2)
inputs, labels = samples(256, 0)
for _ in range(40):
    optimiser.zero_grad()
    nn.functional.cross_entropy(spikes(inputs).sum(1), labels).backward()
    optimiser.step()

test, wanted = samples(100, 1)
theirs = spikes(test).detach()
right = (theirs.sum(1).argmax(1) == wanted).float().mean().item()
print(f"snnTorch: {right:.0%} right, {int(theirs.sum()):,} output spikes")

# %% Write it as NIR, and run it in floating point and in integers
with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # snnTorch's exporter calls an older function of nirtorch
    folder = Path(place)
    nir.write(folder / "net.nir", export_to_nir(net, test[:, 0], ignore_dims=[0]))
    np.savez(folder / "test.npz", x=test.numpy(), y=wanted.numpy())
    line = ["run", str(folder / "net.nir"), "--input", str(folder / "test.npz"), "--samples", "100", "--target", "closed-form",
            "--from", "snntorch", "--reset", "v_reset"]  # fmt: skip
    found = {}
    for precision in ("float", "fixed"):
        with contextlib.redirect_stdout(io.StringIO()):  # tables of single samples
            assert main([*line, "-q", "--precision", precision, "--output", str(folder / "out.npz")]) == 0
        with np.load(folder / "out.npz") as saved:
            found[precision] = saved["output"]

# %% Compare
agreement = {p: float((y.sum(1).argmax(1) == theirs.sum(1).argmax(1).numpy()).mean()) for p, y in found.items()}
accuracy = {p: float((y.sum(1).argmax(1) == wanted.numpy()).mean()) for p, y in found.items()}
same = float((found["float"] == theirs.numpy()).mean())
print(f"floating point: {same:.2%} of snnTorch's spikes and silences, same prediction on {agreement['float']:.0%}")
print(
    f"Loihi's integers: {accuracy['fixed']:.0%} right (snnTorch {right:.0%}), same prediction on {agreement['fixed']:.0%}"
)
