"""Lava's runtime with its weak points replaced: an error ends a run instead of hanging it, and nothing is left behind.

Three of Lava's own classes are subclassed: the message infrastructure makes channels and forked actors, the runtime
service is the barrier between steps, and the runtime waits for the children. The compiler is Lava's own.
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
"""Seconds between two checks for children that have died or kept an error."""
GRACE = 3.0
"""Seconds that children have to end by themselves before they are killed."""


class Actors(MultiProcessing):
    """Lava's message infrastructure: forks actors and makes channels, without shared-memory manager, pipes or queues.

    ``errors`` is the folder in which children keep their errors as JSON files.
    """

    def __init__(self, errors: Path) -> None:
        super().__init__()
        self.errors = errors
        self.names: list[str] = []

    def start(self) -> None:
        """Do nothing, where Lava's own infrastructure starts a shared-memory manager."""

    def channel_class(self, channel_type: ChannelType) -> Any:
        """Return RingChannel for channels between Python models; raise DeployError for channels of hardware."""
        if channel_type is not ChannelType.PyPy:
            raise DeployError(f"{channel_type.name} channels need Loihi hardware; use Python ProcessModels")
        return RingChannel

    def fork(self, builder: Any, name: str) -> None:
        """Fork an operating-system process that builds and runs ``builder``'s model or service."""
        actor: Any = multiprocessing.get_context("fork").Process(
            target=_act, args=(builder, name, self.errors, os.getpid()), name=name, daemon=True
        )
        self._actors.append(actor)
        self.names.append(name)
        actor.start()

    def check(self) -> None:
        """Check whether a child has failed.

        Raises:
            DeployError: a child has kept an error (its ``__cause__`` holds the child's traceback), or has died.
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
        """Kill the children that are left, at once."""
        self.end(0.0)


def _act(builder: Any, name: str, errors: Path, parent: int) -> None:
    """Main function of a child: build the model or service of ``builder`` and run it; errors go into ``errors``."""
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

    A StepModel depends only on the messages at its ports, and its ports know in which steps messages arrive. So Lava's
    barrier after every step, two context switches per Process, can be left out without changing a result.
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
    """A Lava runtime that runs a number of steps per command and checks its children while it waits.

    Args:
        executable: the compiled network.
        errors: the folder in which children keep their errors.
        lockstep: keep Lava's barrier after every step, which is left out if every model is a StepModel.
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
        """Make the channels and fork the children; errors in building their models are raised by :meth:`run_steps`."""
        self._is_started = True
        gc.collect()
        gc.freeze()  # a collection in a child would touch, and so copy, every page of the parent's objects
        try:
            with _signals_held_back():
                super().initialize(node_cfg_idx)
        finally:
            gc.unfreeze()

    def run_steps(self, steps: int) -> None:
        """Run ``steps`` time steps and wait for them to end.

        Raises:
            DeployError: a child failed; it is raised within a few times POLL seconds.
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
        """Raise the error that a child keeps within a second, or else DeployError with ``what``."""
        for _ in range(20):  # a model that reports an error to the service keeps it a moment later
            self.actors.check()
            time.sleep(POLL)
        raise DeployError(f"{what} and no Process says why; run it again with lockstep=False")

    def close(self, failed: bool) -> None:
        """End all children and release ports and models; after a failure, kill them without asking them to stop."""
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
        """Called by Lava when a Process or the runtime is garbage collected: end the children; ignored in children."""
        if self._is_started and os.getpid() == self.owner:
            self.close(failed=True)


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Block SIGINT and SIGTERM in the ``with`` block, also in children forked meanwhile, which unblock them later."""
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
