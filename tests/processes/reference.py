"""What the tests of the operations share: drive a stepper message by message, random codes, clipping by
definition.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from processes.operation import Operation, Window

BASES = (1.05, 1.15, 1.4, 2.0)
STEPS = (4, 16, 40, 128)
GRID = [(base, steps) for base in BASES for steps in STEPS]


@dataclass(frozen=True)
class Operand:
    """What arrives at a stepper: messages by step, the window they come in, and when they are complete."""

    window: Window
    ready: int
    messages: dict[int, np.ndarray] = field(default_factory=dict)


def spikes(codes: np.ndarray, start: int, steps: int) -> Operand:
    """Codes (planes, *shape) as int8 signs; a step without spikes has no message."""
    messages = {}
    for k in range(steps):
        sign = (codes == k + 1).sum(0) - (codes == -(k + 1)).sum(0)
        if sign.any():
            messages[start + k] = sign.astype(np.int8)
    return Operand(Window(start, start + steps), start + steps, messages)


def graded(v: np.ndarray, at: int) -> Operand:
    """Potentials (*shape) in one message."""
    return Operand(Window(at, at + 1), at, {at: v})


def currents(parts: list[np.ndarray | None], start: int) -> Operand:
    """One current (*shape) a step, None where nothing comes."""
    messages = {start + i: part for i, part in enumerate(parts) if part is not None}
    return Operand(Window(start, start + len(parts)), start + len(parts), messages)


@dataclass
class Run:
    """What a stepper sent: ``messages`` by step, its window, and from them codes (planes, *shape) or the
    last message.
    """

    window: Window
    messages: dict[int, np.ndarray]
    codes: np.ndarray
    last: np.ndarray | None


def run(op: Operation, *operands: Operand, planes: int = 1) -> Run:
    """Step one sample, twice with a reset between: both must be the same, and nothing is sent outside the
    window.
    """
    windows = [operand.window for operand in operands]
    window = op.window(windows, [operand.ready for operand in operands])
    stepper = op.stepper(window, windows)
    runs = []
    for _ in range(2):
        stepper.reset()
        sent = {}
        for t in range(max(w.stop for w in [*windows, window])):
            message = stepper.step(t, [operand.messages.get(t) for operand in operands])
            if message is not None:
                assert window.start <= t < window.stop, f"a message at {t}, outside {window}"
                assert message.shape == op.shape
                sent[t] = message.copy()
        runs.append(sent)
    first, second = runs
    assert first.keys() == second.keys()
    assert all((first[t] == second[t]).all() for t in first), "reset() leaves something of the previous sample"
    codes = np.zeros((planes, *op.shape), np.int64)
    if op.emits == "spikes":
        for t, signs in first.items():
            assert signs.any() or op.name == "route", "a message without a spike"
            free = (codes == 0).argmax(0)[None]
            taken = np.take_along_axis(codes, free, 0)
            assert not (taken[0][signs != 0] != 0).any(), "more spikes than planes"
            np.put_along_axis(codes, free, np.where(signs == 0, taken[0], signs * (t - window.start + 1))[None], 0)
    return Run(window, first, codes, first[max(first)] if first else None)


def clipped_sum(run: Run, shape: tuple[int, ...], bits: int) -> tuple[np.ndarray, int]:
    """What a neuron of ``bits`` holds after integrating the currents of a run, and how often it was
    clipped.
    """
    limit = 2 ** (bits - 1) - 1
    v, clips = np.zeros(shape, np.int64), 0
    for t in sorted(run.messages):
        v = v + run.messages[t]
        clips += int((np.abs(v) > limit).sum())
        v = v.clip(-limit, limit)
    return v, clips


def random_codes(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    steps: int,
    planes: int = 1,
    silent: float = 0.3,
    signed: bool = True,
) -> np.ndarray:
    """Codes (planes, *shape) int16: each neuron's spikes come in order of time, with random signs."""
    codes = np.zeros((planes, *shape), np.int16)
    earliest = np.zeros(shape, np.int64)
    for plane in codes:
        k = rng.integers(earliest, steps + 1)
        # half of them early, where traces are large
        k = np.where(rng.random(shape) < 0.5, k, np.minimum(k, earliest + rng.integers(0, 4, shape)))
        fires = (rng.random(shape) >= silent) & (k < steps)
        sign = rng.choice([-1, 1], shape) if signed else 1
        plane[...] = np.where(fires, sign * (k + 1), 0)
        earliest = np.where(fires, k + 1, steps)
    return codes


def batch(array: np.ndarray) -> torch.Tensor:
    """Codes (planes, *shape) or potentials as a torch tensor of their own type."""
    return torch.from_numpy(np.ascontiguousarray(array))


def toward_zero(x: int, shift: int) -> int:
    """x / 2^shift without its fraction, in Python integers."""
    return -((-x) >> shift) if x < 0 else x >> shift
