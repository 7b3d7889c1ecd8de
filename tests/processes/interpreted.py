"""Runs the Triton kernels in Triton's interpreter and compares them with plain torch; exits with what differs."""

from __future__ import annotations

import os
import sys

os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported

import numpy as np
import torch

from processes.backends import backend_named
from processes.backends.rows import Rows
from processes.backends.tables import PhaseTables
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import FloatSchedule

plain, fused = backend_named("torch"), backend_named("triton")


def same(name: str, one: object, other: object) -> None:
    pairs = zip(one, other, strict=True) if isinstance(one, tuple) and isinstance(other, tuple) else [(one, other)]
    if not all(torch.equal(a, b) for a, b in pairs):
        sys.exit(f"{name} differs")


def main() -> None:
    rng = np.random.default_rng(0)
    steps, trace = 8, np.array([400, 300, 200, 100, 50, 25, 12, 6])
    for planes in (1, 2, 3):
        later = np.sort(rng.permuted(np.tile(np.arange(1, steps + 1), (70, 50, 1)), axis=2)[..., :planes], axis=2)
        codes = torch.from_numpy(np.moveaxis(later * rng.choice([-1, 0, 1], later.shape), 2, 0).astype(np.int8))
        for dtype in (torch.float32, torch.float64):
            same("decode", plain.decode(codes, trace, dtype), fused.decode(codes, trace, dtype))
            same("decode_sizes", plain.decode_sizes(codes, trace, dtype), fused.decode_sizes(codes, trace, dtype))
        rows, bias = Rows(rng.integers(-127, 128, (33, 50)).astype(np.int8)), rng.integers(-500, 500, 33)
        for limit in (2**23 - 1, 200_000, 30_000):
            one, other = (backend.step_rows(codes, rows, bias, trace, limit) for backend in (plain, fused))
            if limit == 30_000 and not bool(one[1].any()):
                sys.exit("nothing saturates")
            same("step_rows", one, other)
    for spikes in (1, 2, 3):
        for size in ((1, 1, 1, 1), (1, 3, 1, 5)):
            scale = rng.uniform(0.5, 2, size)
            schedule = FloatSchedule(function="identity", scale=scale, unit=np.ones(size), base=1.15, steps=40)
            op = PhaseNeuron(shape=(1, 3, 4, 5), schedule=schedule, spikes=spikes)
            tables: PhaseTables = op._tables
            v = np.concatenate([rng.normal(0, 1, (6, *op.shape)), rng.choice(schedule.code.midpoints, (6, *op.shape))])
            v = torch.from_numpy(v)
            same("fire", plain.fire(v, tables, spikes), fused.fire(v, tables, spikes))


if __name__ == "__main__":
    main()
