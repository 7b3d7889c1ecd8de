"""Runs batches in processes of this machine, or on the workers of a Dask cluster."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np

from deploy.errors import DeployError, first_line
from deploy.evaluation.work import Batch, Job, run_batch
from targets import children

DEATHS = 3
"""Worker deaths in a row after which an evaluation gives up; finished batches are kept even then."""
AHEAD = 2
"""Batches submitted per worker: one being worked on, and one waiting."""

Cut = Callable[[int], Sequence[np.ndarray]]
"""Takes the number of a batch and returns the model's arguments, each (N, ...)."""


def on_this_machine(job: Job, numbers: Iterable[int], cut: Cut, workers: int) -> Iterator[tuple[int, Batch]]:
    """Run batches in ``workers`` processes and yield (number, batch) as each finishes.

    If a worker dies, the processes are started again and unfinished batches are repeated.

    Raises:
        DeployError: a batch cannot be evaluated, or ``DEATHS`` workers died in a row.
    """
    left, deaths = list(numbers), 0
    while left:
        try:
            with children.workers(min(workers, len(left))) as pool:
                for number, batch in _submitted(pool, job, list(left), cut, workers * AHEAD):
                    deaths = 0
                    left.remove(number)
                    yield number, batch
        except BrokenProcessPool as error:
            deaths += 1
            if deaths == DEATHS:
                raise DeployError(
                    f"{DEATHS} worker processes died in a row, around batch {min(left)}; for lack of memory, give a smaller "
                    "--batch-size or fewer --workers; --resume goes on"
                ) from error


def on_cluster(job: Job, numbers: Iterable[int], cut: Cut, address: str) -> Iterator[tuple[int, Batch]]:
    """Run batches on the workers of the Dask scheduler at ``address`` and yield (number, batch) as each finishes.

    Dask repeats the batches of a worker that dies, up to ``DEATHS`` times.

    Raises:
        DeployError: Dask is not installed, no scheduler answers, it has no workers, or a batch cannot be evaluated.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise DeployError("--cluster needs Dask: pip install 'spikedeploy[cluster]'") from error
    try:
        client: Any = Client(address, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise DeployError(f"--cluster {address}: no Dask scheduler answers ({first_line(error)})") from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise DeployError(f"--cluster {address}: has no workers; start some with `dask worker {address}`")
        executor = client.get_executor(pure=False, retries=DEATHS)
        try:
            yield from _submitted(executor, job, list(numbers), cut, threads * AHEAD, on_worker)
        finally:
            executor.shutdown(wait=False)


def on_worker(job: Job, arguments: Sequence[np.ndarray]) -> Batch:
    """Run a batch on a Dask worker; a target that starts processes, such as Lava, runs in a child without threads.

    Raises:
        DeployError: the target needs child processes, and the worker is a daemon, which may start none.
        OSError: the child process died; Dask then repeats the batch.
    """
    if job.target in ("closed-form", "stepper"):
        return run_batch(job, arguments)
    if multiprocessing.current_process().daemon:
        raise DeployError(
            f"--cluster: its workers may start no processes, which {job.target} needs; start them with "
            "DASK_DISTRIBUTED__WORKER__DAEMON=False in their environment"
        )
    try:
        return _own_process().submit(run_batch, job, arguments).result()
    except BrokenProcessPool as error:
        _own_process.cache_clear()
        raise OSError("the process that stepped died") from error


@functools.cache
def _own_process() -> Executor:
    return children.pool(1)


def _submitted(
    pool: Executor, job: Job, numbers: list[int], cut: Cut, ahead: int, run: Callable[..., Batch] = run_batch
) -> Iterator[tuple[int, Batch]]:
    """Submit batches and yield (number, batch) as each finishes; at most ``ahead`` wait, which bounds the memory."""
    waiting: dict[Future[Batch], int] = {}
    queue = iter(numbers)
    while True:
        while len(waiting) < ahead and (number := next(queue, None)) is not None:
            waiting[pool.submit(run, job, cut(number))] = number
        if not waiting:
            return
        done, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            number = waiting.pop(future)
            try:
                batch = future.result()
            except (BrokenProcessPool, DeployError):
                raise
            except Exception as error:  # workers can fail in any way
                raise DeployError(
                    f"batch {number} failed in a worker: {type(error).__name__}: {first_line(error)}; --resume goes on after "
                    "the cause is removed"
                ) from error
            yield number, batch
