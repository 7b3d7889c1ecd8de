"""Measures time and memory of the closed form as multiples of the original model's, with the same threads, in one run.

    python -m benchmarks.closed_form
    python -m benchmarks.closed_form --spikes 2
    python -m benchmarks.closed_form --model swin_tiny_patch4_window7_224 --batch 8
    python -m benchmarks.closed_form --model vit_base_patch16_224 --batch 128 --device cuda

Memory is the increase of the resident size at its peak while a batch runs, on Linux; on a CUDA device, that of
PyTorch's allocations there. The original runs in full float32, without TF32.
"""

from __future__ import annotations

import copy
import functools
import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numba
import numpy as np
import timm
import torch
import typer
from rich.console import Console
from rich.table import Table

from converters.ingredients import ALL, Ingredients
from converters.pipeline import convert_module
from deploy import demo
from evaluator.closed_form import ClosedForm
from processes.backends import backend_named
from processes.backends.devices import device_named, full_precision
from processes.memory import give_back

PLAIN = Ingredients(biases=False, rounding=False, importance=False, balance=False)
"""A quick conversion, without the ingredients that take longest and hardly change how long runs take."""


def peak(run: Callable[[], object], device: torch.device) -> int | None:
    """Peak increase in bytes of memory during ``run``, of the process or on a CUDA device; None where it is unknown."""
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def kilobytes(field: str) -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(field))

    gc.collect()
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    if not clear.exists():
        return None
    give_back()  # returns freed memory of earlier runs to the system
    clear.write_text("5")  # resets the peak to the present resident size
    before = kilobytes("VmRSS")
    run()
    return 1024 * (kilobytes("VmHWM") - before)


def subject(model: str, batch: int) -> tuple[torch.nn.Module, np.ndarray, np.ndarray]:
    """(model, calibration images, batch of images): the demo, or a timm model with random weights and random images."""
    if model == "demo":
        return demo.load_model(), demo.calibration_data()[0], demo.evaluation_data()[0][:batch]
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    calibration, images = (rng.random((n, 3, 224, 224), np.float32) for n in (4, batch))
    return timm.create_model(model, pretrained=False).eval(), calibration, images


def main(
    model: Annotated[str, typer.Option(help="demo, or a timm model (random weights) for 224 x 224 pixels.")] = "demo",
    batch: Annotated[int, typer.Option(help="Images at a time.")] = 64,
    rounds: Annotated[int, typer.Option(help="Runs of each, in turn; medians count.")] = 15,
    timesteps: Annotated[int, typer.Option(help="T, steps of a window.")] = 40,
    base: Annotated[float, typer.Option(help="B, ratio of neighbouring levels.")] = 1.15,
    spikes: Annotated[
        int, typer.Option(help="Most spikes of a neuron in a window; above 1, one spike is timed too.")
    ] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or auto.")] = "cpu",
    backend: Annotated[str, typer.Option(help="numba, torch or triton; empty for that of the device.")] = "",
    ingredients: Annotated[
        bool, typer.Option(help="Convert with every ingredient; without, sooner, and the runs take as long.")
    ] = True,
    threads: Annotated[int, typer.Option(help="Threads of every run; 0 for as many as there are cores.")] = 0,
) -> None:
    """Time a model and its closed forms in turn, so that a drifting machine favours none of them."""
    if threads:
        torch.set_num_threads(threads)
        numba.set_num_threads(threads)
    module, calibration, images = subject(model, batch)
    place = device_named(device)
    x = torch.from_numpy(images).to(place)

    def original() -> None:
        with torch.inference_mode(), full_precision():
            moved(x)

    chosen_backend = backend_named(backend) if backend else None
    chosen = ALL if ingredients else PLAIN
    runs: dict[str, Callable[[], object]] = {"original model": original}
    for n in sorted({1, spikes}):
        conversion = convert_module(module, [calibration], timesteps, base, spikes=n, batch=4, ingredients=chosen)
        for arithmetic, network in (("floating", conversion.calibrated.kept()), ("fixed", conversion.fixed)):
            assert network is not None
            spent = f", {n} spikes" if spikes > 1 else ""
            runs[f"closed form, {arithmetic} point{spent}"] = functools.partial(
                ClosedForm(network, device=place, backend=chosen_backend).run, x
            )
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    moved = copy.deepcopy(module).to(place)

    def timed(run: Callable[[], object]) -> float:
        begin = time.perf_counter()
        run()
        if place.type == "cuda":
            torch.cuda.synchronize(place)
        return time.perf_counter() - begin

    for run in runs.values():
        timed(run)  # compiles kernels and fills memory pools
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(timed(run))
    columns = (f"{model}, batch {batch}", "ms per image", "times the original", "peak memory", "times the original")
    table = Table(*columns)
    grown = {name: peak(run, place) for name, run in runs.items()}
    reference = grown["original model"]
    for name, taken in seconds.items():
        ratios = [own / original for own, original in zip(taken, seconds["original model"], strict=True)]
        bytes_ = grown[name]
        memory = ("", "") if not bytes_ or not reference else (f"{bytes_ / 1e6:.0f} MB", f"{bytes_ / reference:.2f}")
        table.add_row(
            name, f"{1000 * statistics.median(taken) / batch:.2f}", f"{statistics.median(ratios):.2f}", *memory
        )
    Console().print(table)
    where = torch.cuda.get_device_name(place) if place.type == "cuda" else f"{torch.get_num_threads()} threads"
    Console().print(
        f"{where}, backend {backend or 'of the device'}, T = {timesteps}, B = {base}, medians of {rounds} rounds"
    )


if __name__ == "__main__":
    typer.run(main)
