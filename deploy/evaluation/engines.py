"""Where batches are worked on: processes of this machine, or the workers of a Dask cluster."""

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
"""Workers that may die in a row before the evaluation gives up; nothing that was done is lost even then."""
AHEAD = 2
"""Batches handed out per worker: one to work on, one to go on with."""

Cut = Callable[[int], Sequence[np.ndarray]]
"""The model's arguments of a batch, by its number."""


def on_this_machine(job: Job, numbers: Iterable[int], cut: Cut, workers: int) -> Iterator[tuple[int, Batch]]:
    """Batches as they are done, by ``workers`` processes. A worker that dies is replaced and its batches done again.

    Raises:
        DeployError: a batch cannot be evaluated, or workers keep dying.
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
    """Batches as they are done by the workers of the Dask scheduler at ``address``, which replaces those that die.

    Raises:
        DeployError: Dask is not installed, nobody answers at the address, or a batch cannot be evaluated.
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
    """A batch on a Dask worker; what has processes of its own, as Lava has, is started from a process without threads.

    Raises:
        DeployError: the worker may have no processes.
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
    """Batches as they are done, never more than ``ahead`` handed out, so that a data set is not copied at once."""
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
            except Exception as error:  # whatever happened in a worker
                raise DeployError(
                    f"batch {number} failed in a worker: {type(error).__name__}: {first_line(error)}; --resume goes on after "
                    "the cause is removed"
                ) from error
            yield number, batch
