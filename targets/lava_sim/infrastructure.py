"""Lava's runtime with its weak points replaced: nothing hangs on an error, nothing is left behind.

Everything goes through Lava's own seams: the channels and the forked actors come from a message
infrastructure, the barrier from a runtime service, the waiting from a runtime. The compiler is Lava's.
"""

from __future__ import annotations

import contextlib
import gc
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from lava.magma.compiler.channels.interfaces import ChannelType
from lava.magma.compiler.channels.pypychannel import CspSelector
from lava.magma.compiler.executable import Executable
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.runtime.message_infrastructure.multiprocessing import MultiProcessing
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_equal, enum_to_np
from lava.magma.runtime.runtime import Runtime
from lava.magma.runtime.runtime_services.runtime_service import LoihiPyRuntimeService

from processes.errors import DeployError
from processes.lava.model import RUN_STEPS, StepModel, keep_error
from targets.children import follow
from targets.lava_sim.channel import RingChannel, select

POLL = 0.05
"""Seconds between two looks at whether the children live and are well."""
GRACE = 3.0
"""Seconds that children get to end by themselves."""


class Actors(MultiProcessing):
    """Forks the actors and makes their channels; no shared-memory manager, no pipes, no queues."""

    def __init__(self, errors: Path) -> None:
        super().__init__()
        self.errors = errors
        self.names: list[str] = []

    def start(self) -> None:
        """Nothing to start."""

    def channel_class(self, channel_type: ChannelType) -> Any:
        """The only channel there is."""
        if channel_type is not ChannelType.PyPy:
            raise DeployError(f"{channel_type.name} channels need Loihi hardware; use Python ProcessModels")
        return RingChannel

    def fork(self, builder: Any, name: str) -> None:
        """Start an operating-system process that builds and runs ``builder``'s model or service."""
        actor: Any = multiprocessing.get_context("fork").Process(
            target=_act, args=(builder, name, self.errors, os.getpid()), name=name, daemon=True
        )
        self._actors.append(actor)
        self.names.append(name)
        actor.start()

    def check(self) -> None:
        """Raise what went wrong in a child.

        Raises:
            DeployError: a kept error, caused by the child's traceback; or a child that has died.
        """
        for file in sorted(self.errors.glob("*.json")):
            kept = json.loads(file.read_text())
            place = "while it was built" if kept["step"] is None else f"at step {kept['step']}"
            error = DeployError(f"Lava process '{kept['process']}' failed {place}: {kept['error']}")
            error.__cause__ = RuntimeError(f"in the child process:\n{kept['traceback']}")
            raise error
        dead = set(wait([actor.sentinel for actor in self._actors], 0))
        for actor, name in zip(self._actors, self.names, strict=True):
            if actor.sentinel in dead:
                actor.join()
                raise DeployError(
                    f"Lava process '{name}' died with exit code {actor.exitcode}; if that is -9 for lack of "
                    "memory, use the coarser granularity"
                )

    def end(self, grace: float) -> None:
        """Wait ``grace`` seconds for the children to end, then kill those that have not."""
        started = [actor for actor in self._actors if actor.pid is not None]
        deadline = time.monotonic() + grace
        for actor in started:
            wait([actor.sentinel], max(0.0, deadline - time.monotonic()))
        for actor in started:
            actor.kill()
        for actor in started:
            actor.join()
            actor.close()
        self._actors.clear()

    def stop(self) -> None:
        """Kill whoever is left."""
        self.end(0.0)


def _act(builder: Any, name: str, errors: Path, parent: int) -> None:
    """What a child does, from birth to death."""
    follow(parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    CspSelector.select = select  # in this child only
    try:
        builder.build().start()
    except Exception as error:
        keep_error(errors, name, None, error)


class SampleService(LoihiPyRuntimeService):
    """Lets StepModels run through all steps of a command between two barriers.

    A StepModel depends on nothing but what arrives at its ports, and its ports know in which steps something
    arrives. So the barrier after every step, two context switches per Process, changes no result.
    """

    def run(self) -> None:
        """Relay the number of steps to the models, and their answers to the runtime, until told to stop."""
        commands, answers = self.runtime_to_service, self.service_to_runtime
        assert commands is not None and answers is not None
        while True:
            command: Any = commands.recv()
            if enum_equal(command, MGMT_COMMAND.STOP):
                self._handle_stop()
                return
            for model in self.service_to_process:
                model.send(RUN_STEPS)
                model.send(command)
            self._get_pm_resp()
            answers.send(MGMT_RESPONSE.ERROR if self._error else MGMT_RESPONSE.DONE)


class SampleRuntime(Runtime):
    """A Lava runtime that runs a number of steps at a time and looks after its children while it waits.

    Args:
        lockstep: keep Lava's barrier after every step even where it changes nothing.
    """

    def __init__(self, executable: Executable, errors: Path, lockstep: bool = False) -> None:
        super().__init__(executable, ActorType.MultiProcessing)
        self.owner = os.getpid()
        self.actors = Actors(errors)
        self.services = list((executable.runtime_service_builders or {}).values())
        if not lockstep and all(issubclass(p.model_class, StepModel) for p in executable.proc_builders):
            for service in self.services:
                service.rs_class = SampleService

    def _build_message_infrastructure(self) -> None:
        self._messaging_infrastructure = self.actors

    def _build_processes(self) -> None:
        for process, builder in self._executable.proc_builders.items():
            self._create_external_channels(process, builder)
            self.actors.fork(builder, process.name)

    def _build_runtime_services(self) -> None:
        for builder in self.services:
            self.actors.fork(builder, "runtime service")

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """Make the channels and start the children; errors of their models show in :meth:`run_steps`."""
        self._is_started = True
        gc.collect()
        gc.freeze()  # a collection in a child would touch, and so copy, every page of the parent's objects
        try:
            with _signals_held_back():
                super().initialize(node_cfg_idx)
        finally:
            gc.unfreeze()

    def run_steps(self, steps: int) -> None:
        """Run that many steps.

        Raises:
            DeployError: what went wrong in a child; within a few times POLL seconds.
        """
        for port in self.runtime_to_service:
            port.send(enum_to_np(steps))
        port: Any
        for port in self.service_to_runtime:
            while not port.wait(POLL):
                self.actors.check()
            answer = port.recv()
            if not enum_equal(answer, MGMT_RESPONSE.DONE):
                self._wait_for_cause(f"Lava's runtime service answered {answer[0]:.0f}")
        self.actors.check()

    def _wait_for_cause(self, what: str) -> None:
        for _ in range(20):  # a model that reports an error to the service keeps it a moment later
            self.actors.check()
            time.sleep(POLL)
        raise DeployError(f"{what} and no Process says why; run it again with lockstep=False")

    def close(self, failed: bool) -> None:
        """End all children and let go of everything; after a failure without asking them."""
        if self._is_initialized and not failed:
            for port in self.runtime_to_service:
                port.send(MGMT_COMMAND.STOP)
            try:
                self.actors.end(GRACE)
            finally:
                self.actors.stop()
        self.actors.stop()
        self._is_started = False
        self._open_ports.clear()
        # Lava's global list of Processes would hold models and channels until the interpreter ends
        for process in self._executable.process_list:
            process.runtime = None

    def stop(self) -> None:
        """What Lava calls when a Process or the runtime is garbage collected; children must ignore it."""
        if self._is_started and os.getpid() == self.owner:
            self.close(failed=True)


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait, here and in children forked meanwhile, until all are ready for them."""
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
