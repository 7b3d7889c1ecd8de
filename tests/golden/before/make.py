"""Wrote the files of this folder, with the code as it was before operations were rebuilt (format 2 of NIR files).

It ran once, in the tree of commit 5d8d098, as ``PYTHONPATH=. python make.py FOLDER``, and imports what had these names
there. It is kept to say what the files hold: networks that have every operation between them, the samples that they
were run on, their codes' digests and their outputs. Networks and bundle were packed into ``networks.tar.xz``.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import torch
from targets.closed_form import ClosedForm
from torch import nn

from converters.pipeline import Variant, convert_module
from converters.rate import convert_rate_coded
from processes.network import Network, Route
from targets import nir_file
from targets.loihi2 import write_bundle

F = torch.nn.functional
SIT = Variant(method="sit", activation="fitted")
SCHEDULES = Variant(method="sit", exponential="published")
RACE = Variant(winner="race", residual="fanout", softmax="two-stage")


class Block(nn.Module):
    """A convolution, attention, LayerNorm, GELU, residual streams, pooling: what a transformer is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(1, 4, 2, stride=2)
        self.q, self.k, self.v, self.o = (nn.Linear(4, 4) for _ in range(4))
        self.n1, self.n2 = nn.LayerNorm(4), nn.LayerNorm(4)
        self.f1, self.f2, self.h = nn.Linear(4, 6), nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1, 4, 4) to (N, 3)."""
        x = self.c(x).flatten(2).transpose(1, 2)
        y = self.n1(x)
        x = x + self.o(F.scaled_dot_product_attention(self.q(y), self.k(y), self.v(y)))
        x = x + self.f2(F.gelu(self.f1(self.n2(x))))
        return self.h(x.mean(1))


def block() -> nn.Module:
    """One with weights that do not change."""
    torch.manual_seed(0)
    return Block().eval()


def networks(images: np.ndarray) -> dict[str, Network]:
    """By file name."""
    made: dict[str, Network] = {}
    for spikes in (1, 2, 3):
        found = convert_module(block(), [images], 8, None if spikes == 2 else 1.5, spikes=spikes)
        made |= {f"phase-{spikes}-float": found.calibrated, f"phase-{spikes}-fixed": found.network}
    for name, variant in {"sit": SIT, "sit-published": SCHEDULES, "race": RACE}.items():
        found = convert_module(block(), [images], 8 if name == "race" else 12, 1.5 if name == "race" else None, spikes=2,
                               variant=variant)  # fmt: skip
        made |= {f"{name}-float": found.calibrated, f"{name}-fixed": found.network}
    relu = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 3)).eval()
    made["rate-float"] = convert_rate_coded(relu, [images], 8).network
    return made


def digest(values: np.ndarray) -> np.ndarray:
    """SHA-256 of codes as int8, (32,)."""
    return np.frombuffer(hashlib.sha256(np.ascontiguousarray(values, np.int8).tobytes()).digest(), np.uint8)


def main(folder: Path) -> None:
    """Convert, write, record."""
    images = np.random.default_rng(0).random((12, 1, 4, 4), np.float32)
    samples = images[:3]
    recorded: dict[str, np.ndarray] = {"samples": samples}
    for name, network in networks(images).items():
        nir_file.write(folder / f"{name}.nir", network)
        codes: dict[str, np.ndarray] = {}

        def observe(node: str, op, y: torch.Tensor, codes: dict[str, np.ndarray] = codes) -> None:
            if op.fires and not isinstance(op, Route):
                codes[node] = y.numpy()

        recorded[f"{name}.outputs"] = ClosedForm(network, torch.float64).run(samples, observe).numpy()
        if name.endswith("fixed"):
            recorded |= {f"{name}.codes.{node}": digest(y) for node, y in codes.items()}
        if name == "phase-2-fixed":
            (folder / "bundle").mkdir(exist_ok=True)
            write_bundle(network, samples[:1], folder / "bundle")
    np.savez_compressed(folder / "recorded.npz", **recorded)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
