"""Runs of a walk: each model in a process of its own, with limits of time and memory; results are kept as they come."""

from __future__ import annotations

import json
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from converters.walk import Found, Subject
from converters.walk.judge import judge

FORKED = multiprocessing.get_context("fork")  # the libraries are imported once, which takes longer than most models


def known(results: Path) -> list[Found]:
    """The results in a file of JSON lines; none if there is no such file. Lines that are no results are left out."""
    if not results.is_file():
        return []
    found: list[Found] = []
    for line in results.read_text().splitlines():
        try:
            found.append(Found.from_json(json.loads(line)))
        except (json.JSONDecodeError, TypeError, KeyError):
            continue
    return found


def walk(
    subjects: Sequence[Subject],
    results: Path,
    jobs: int,
    timeout: float,
    memory: float,
    judged: Callable[[Subject], Found] = judge,
) -> Iterator[Found]:
    """Judge every subject that ``results`` does not hold yet, and append each to it as it is done.

    Args:
        subjects: the models.
        results: a file of JSON lines, made with its folder if it is not there.
        jobs: most processes at a time.
        timeout: seconds for each model, after which its process is ended.
        memory: GB (10^9 bytes) of address space that a model may take beyond what is imported.
        judged: judges a subject, in its process; it must not raise.

    Yields:
        Each result, in the order in which models are done; a model beyond the time limit is left out, one whose process
        ends without a result has failed.
    """
    done = {found.family for found in known(results)}
    left = [subject for subject in subjects if subject.family not in done]
    results.parent.mkdir(parents=True, exist_ok=True)
    running: dict[Connection, _Run] = {}
    with results.open("a") as file:
        while left or running:
            while left and len(running) < jobs:
                run = _Run(left.pop(0), timeout, memory, judged)
                running[run.receiver] = run
            until = min(run.deadline for run in running.values()) - time.monotonic()
            ready = wait(list(running), max(0.0, until))
            late = [receiver for receiver, run in running.items() if run.deadline <= time.monotonic()]
            for receiver in {*(r for r in running if r in ready), *late}:
                found = running.pop(receiver).end(timeout)
                file.write(json.dumps(found.as_json()) + "\n")
                file.flush()
                yield found


class _Run:
    """A process that judges one subject."""

    def __init__(self, subject: Subject, timeout: float, memory: float, judged: Callable[[Subject], Found]) -> None:
        self.subject, self.start = subject, time.monotonic()
        self.deadline = self.start + timeout
        self.receiver, sender = FORKED.Pipe(duplex=False)
        self.process: BaseProcess = FORKED.Process(target=_judge, args=(subject, sender, memory, judged), daemon=True)
        self.process.start()
        sender.close()

    def end(self, timeout: float) -> Found:
        """The result of the process, which is ended; "left out" if it has none yet, "failed" if it died without one."""
        try:
            if self.receiver.poll():
                return self.receiver.recv()
            state, reason = "left out", f"it takes longer than {timeout:g} seconds"
        except EOFError:
            self.process.join()
            state, reason = "failed", f"its process ended with exit code {self.process.exitcode}"
        finally:
            self.process.kill()
            self.process.join()
            self.receiver.close()
        return Found(self.subject.family, "", state, (reason,), None, round(time.monotonic() - self.start, 1))


def _judge(subject: Subject, sender: Connection, memory: float, judged: Callable[[Subject], Found]) -> None:
    import torch

    torch.set_num_threads(1)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = taken + int(memory * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    sender.send(judged(subject))
