"""Runs Lava Processes sample by sample; however a run ends, it leaves no child process and no shared memory."""

from __future__ import annotations

import contextlib
import logging
import resource
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs, find_processes
from lava.magma.core.model.model import AbstractProcessModel
from lava.magma.core.process.process import AbstractProcess, ProcessServer
from lava.magma.core.run_configs import Loihi2SimCfg

from processes.errors import DeployError
from processes.lava.process import Following, SpikingProcess
from processes.leftovers import scratch_folder
from targets.lava_sim.infrastructure import SampleRuntime

TAGS = {"float": "floating_pt", "fixed": "fixed_pt"}
"""Lava's tags of ProcessModels by precision."""
DESCRIPTORS_EACH = 2
"""File descriptors that the parent holds per Process."""
DESCRIPTORS_SPARE = 64
"""File descriptors reserved for all else: the runtime service, recordings, the caller's files."""
SLOTS = 4
"""Messages that a channel buffers. One would suffice; with more, a sender can run ahead of its receiver."""


@dataclass(frozen=True)
class RunStatistics:
    """Time and memory of one run."""

    processes: int
    seconds_start: float
    """Start-up: compiling, forking and building the models."""
    seconds_per_sample: float
    bytes: int | None
    """Memory of all children together at the end, shared pages counted once; None if not measured."""


def run_processes(
    processes: Sequence[AbstractProcess],
    steps_per_sample: int,
    samples: int,
    precision: Literal["float", "fixed"],
    on_sample: Callable[[int], None] | None = None,
    lockstep: bool = False,
    measure_memory: bool = False,
) -> RunStatistics:
    """Compile and run connected Processes for ``samples`` samples, then end them.

    Args:
        processes: Processes of one connected network, at least one; a Process can be run only once.
        steps_per_sample: time steps from a sample's input to its output, equal to the Processes' ``period``.
        samples: how many samples to run.
        precision: which ProcessModels run, "float" (``floating_pt``) or "fixed" (``fixed_pt``).
        on_sample: called with 0, 1, ... when a sample is done and its recordings are complete.
        lockstep: keep Lava's barrier after every step, which is slow and changes no result.
        measure_memory: fill in ``RunStatistics.bytes``, which takes some 10 ms a Process.

    Raises:
        DeployError: the Processes cannot run together, or a child failed; the message names the Process.
    """
    network = set(find_processes(processes[0]))
    _check(network, processes, steps_per_sample)
    reserve_descriptors(len(network))
    begin = time.perf_counter()
    with scratch_folder("lava") as folder, _ends_on_sigterm():
        for process in network:
            process.proc_params.overwrite("errors", folder)
        config = Loihi2SimCfg(select_tag=TAGS[precision])
        with _own_compiler():
            executable = processes[0].compile(config, {"pypy_channel_size": SLOTS})
        runtime = SampleRuntime(executable, folder, lockstep)
        failed, running = True, 0.0
        try:
            runtime.initialize()
            runtime.run_steps(0)  # answered once all models are built
            started = time.perf_counter()
            following = _following(network)
            for sample in range(samples):
                before = time.perf_counter()
                runtime.run_steps(steps_per_sample if sample == 0 or following is None else following.interval)
                running += time.perf_counter() - before
                if on_sample is not None:
                    on_sample(sample)
            used = _memory(runtime) if measure_memory else None
            failed = False
        finally:
            runtime.close(failed)
            server = ProcessServer()
            server.processes = [process for process in server.processes if process not in network]
    return RunStatistics(len(network), started - begin, running / max(1, samples), used)


def descriptors_needed(processes: int) -> int:
    """File descriptors that the parent needs to run this many Processes."""
    return DESCRIPTORS_EACH * processes + DESCRIPTORS_SPARE


def descriptors_available() -> int:
    """The hard limit on open file descriptors, up to which the soft limit can be raised."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def reserve_descriptors(processes: int) -> None:
    """Raise the soft limit on file descriptors if this many Processes need it.

    Raises:
        DeployError: the hard limit is too low.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = descriptors_needed(processes)
    if resource.RLIM_INFINITY not in (soft, hard) and needed > hard:
        raise DeployError(
            f"{processes} Lava processes need {needed} file descriptors and this machine allows {hard}; use "
            f"the coarser granularity or raise the limit (ulimit -n {needed})"
        )
    if soft != resource.RLIM_INFINITY and needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else hard, hard))


def _check(network: set[Any], processes: Sequence[AbstractProcess], steps: int) -> None:
    """Raise DeployError unless all Processes are connected, have not run yet, and take ``steps`` steps a sample."""
    first = processes[0].name
    for process in processes:
        if process not in network:
            raise DeployError(f"'{process.name}' is not connected to '{first}'; run it by itself")
    for process in network:
        if process.is_compiled:
            raise DeployError(f"'{process.name}' was run before; Lava cannot run it again: build it anew")
        if isinstance(process, SpikingProcess):
            if process.period != steps:
                raise DeployError(f"'{process.name}' has {process.period} steps a sample, not {steps}; make them equal")
            for port in process.operands:
                process.receives(port)
            for port in process.outputs:
                process.sends(port)


def _following(network: set[Any]) -> Following | None:
    """How samples follow each other; raises DeployError where the Processes differ in that."""
    found = {process.following for process in network if isinstance(process, SpikingProcess)}
    if len(found) > 1:
        raise DeployError(
            f"Processes of one network let samples follow each other differently, {found}; make them equal"
        )
    return found.pop() if found else None


def _memory(runtime: SampleRuntime) -> int:
    """Bytes of all children's proportional set sizes (Pss) together, from Linux's /proc."""
    total = 0
    for pid in (actor.pid for actor in runtime.actors.actors):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += 1024 * int(line.split()[1])
    return total


@contextlib.contextmanager
def _own_compiler() -> Iterator[None]:
    """Keep Lava's compiler from side effects during the ``with`` block.

    To find models, Lava executes for every Process all Python files in the folder of the Process's module, a user's
    unrelated scripts included; a Process that lists its own ``models`` needs no search. Lava also adds log handlers.
    """
    log = logging.getLogger("lava.magma.compiler.compiler")
    handlers = list(log.handlers)
    search = ProcGroupDiGraphs._find_proc_models

    def models(proc: AbstractProcess) -> list[type[AbstractProcessModel]]:
        return list(getattr(proc, "models", ())) or search(proc)

    ProcGroupDiGraphs._find_proc_models = staticmethod(models)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        ProcGroupDiGraphs._find_proc_models = staticmethod(search)
        log.handlers[:] = handlers


@contextlib.contextmanager
def _ends_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that ``finally`` clauses run, unless the caller has a handler of its own."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    main = threading.current_thread() is threading.main_thread()
    ours = main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
