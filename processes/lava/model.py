"""The one ProcessModel behind every operation: it steps the operation's stepper through time."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.magma.runtime.mgmt_token_enums import enum_to_np

from processes.errors import DeployError
from processes.files import write_text
from processes.lava.ports import StepInPort, StepOutPort
from processes.lava.process import SpikingProcess
from processes.lava.record import open_recorder
from processes.operation import Stepper, Window

RUN_STEPS = enum_to_np(100)
"""Command to a StepModel, followed by a number: run that many steps, then answer once."""

GRADED = {"floating_pt": np.float64, "fixed_pt": np.int32}
"""Type of currents and graded spikes, by a model's tag."""


class StepModel(PyLoihiProcessModel):
    """Steps a SpikingProcess: receives, steps and sends on schedule, even after an error.

    An error in the stepper, or in its construction, is kept by :func:`keep_error`, or printed where there is no folder
    for errors. From then on the model is silent, but still receives and sends when it should, so that no other Process
    blocks, and asks Lava to stop.
    """

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._cmd_handlers[RUN_STEPS[0]] = self._run_steps
        self.process: SpikingProcess = proc_params["process"]
        self.errors: Path | None = proc_params.get("errors")
        self.failed = False
        self.steppers: list[Stepper] = []
        self.receives = [self.process.receives(port) for port in self.process.operands]
        self.sends = [self.process.sends(port) for port in self.process.outputs]
        try:
            self.recorders = {
                port: open_recorder(
                    recording,
                    self.process.ports[port],
                    getattr(self.process, port).shape,
                    self.process.windows[port],
                    getattr(type(self), port).d_type,
                )
                for port, recording in self.process.record.items()
            }
            following = self.process.following
            number = 1 if following is None else following.in_flight(self.process.period)
            self.steppers = [self.process.stepper(self.receives) for _ in range(number)]
        except Exception as error:
            self._fail(error, None)

    def start(self) -> None:
        """Look up the ports once, then run as any ProcessModel."""
        process = self.process
        self.operands: list[tuple[StepInPort, Window]] = list(
            zip([getattr(self, port) for port in process.operands], self.receives, strict=True)
        )
        self.outputs: list[tuple[StepOutPort, Window]] = list(
            zip([getattr(self, port) for port in process.outputs], self.sends, strict=True)
        )
        super().start()

    def run_spk(self) -> None:
        """Take one step of every sample that is under way; Lava calls this in each time step."""
        step, period, following = self.time_step - 1, self.process.period, self.process.following
        for sample, t in [divmod(step, period)] if following is None else following.under_way(step, period):
            self._step_of(sample, t)

    def _step_of(self, sample: int, t: int) -> None:
        """Receive, step and send: step ``t`` of a sample."""
        messages = [port.take() if w.start <= t < w.stop else None for port, w in self.operands]
        results: list[np.ndarray | None] = [None] * len(self.outputs)
        if not self.failed:
            try:
                results = self._step(sample, t, messages)
            except Exception as error:
                self._fail(error, t)
        for (port, window), result in zip(self.outputs, results, strict=True):
            if window.start <= t < window.stop:
                port.give(result)

    def _step(self, sample: int, t: int, messages: list[np.ndarray | None]) -> list[np.ndarray | None]:
        """The stepper's results, one per out port, in the ports' types and recorded.

        Raises:
            ValueError: the stepper sent something outside a port's window, or of another shape.
        """
        stepper = self.steppers[sample % len(self.steppers)]
        if t == 0:
            stepper.reset()
        for port, recorder in self.recorders.items():
            if t == self.process.windows[port].start:  # at t = 0 an earlier sample may still send
                recorder.reset()
        result = stepper.step(t, messages)
        results: list[np.ndarray | None] = [None] * len(self.outputs)
        if result is not None:
            results = [result] if len(results) == 1 else list(result)
        for i, (name, value) in enumerate(zip(self.process.outputs, results, strict=True)):
            if value is None:
                continue
            window = self.process.windows[name]
            if not window.start <= t < window.stop:
                raise ValueError(f"{name} sent outside its window [{window.start}, {window.stop})")
            results[i] = self.outputs[i][0].fit(value)
            if name in self.recorders:
                self.recorders[name].write(sample, t, value)
        return results

    def _run_steps(self) -> None:
        """Take as many steps as the service says, with no barrier between them; channels keep Processes in order."""
        assert self.service_to_process is not None and self.process_to_service is not None
        for _ in range(int(self.service_to_process.recv()[0])):
            self.time_step += 1
            self.run_spk()
        self.process_to_service.send(PyLoihiProcessModel.Response.STATUS_DONE)

    def _fail(self, error: Exception, t: int | None) -> None:
        """Keep or print an error, send nothing from now on, and ask Lava to stop."""
        self.failed = self._req_stop = True
        if self.errors is None:
            traceback.print_exception(error, file=sys.stderr)
        else:
            keep_error(self.errors, self.process.name, t, error)


def keep_error(folder: Path, process: str, t: int | None, error: BaseException) -> None:
    """Write an error as JSON into ``folder``, for the parent: Process, step of its sample or None, text, traceback."""
    message = " ".join(str(error).split())
    kept = {
        "process": process,
        "step": t,
        "error": message if isinstance(error, DeployError) else f"{type(error).__name__}: {message}",
        "traceback": "".join(traceback.format_exception(error)),
    }
    write_text(folder / f"{id(error)}-{process}.json".replace("/", "_"), json.dumps(kept))


def both_precisions(process: type[SpikingProcess]) -> tuple[type[StepModel], type[StepModel]]:
    """Make the ProcessModels of a Process: ``floating_pt``, and ``fixed_pt``, which is also ``bit_accurate_loihi``.

    ``process.models`` is set to them; Lava's own search finds them if they have names in the Process's module.
    """
    float_model = _bind(process, f"{process.__name__}Float", "floating_pt")
    fixed_model = _bind(process, f"{process.__name__}Fixed", "fixed_pt", "bit_accurate_loihi")
    process.models = (float_model, fixed_model)
    return float_model, fixed_model


def _bind(process: type[SpikingProcess], name: str, *tags: str) -> type[StepModel]:
    """A StepModel with the ports of a Process: spikes as int8, all else by the first tag."""
    body: dict[str, Any] = {"__module__": process.__module__}
    for port, emission in process.ports.items():
        dtype = np.int8 if emission == "spikes" else GRADED[tags[0]]
        body[port] = LavaPyType(StepInPort if port.endswith("_in") else StepOutPort, dtype)
    model = type(name, (StepModel,), body)
    for decorate in (tag(*tags), requires(CPU), implements(proc=process, protocol=LoihiProtocol)):
        decorate(model)  # sets attributes of the class
    return model
