"""Processes with any ports, for steppers without a Process class of their own, such as a whole transformer block."""

from __future__ import annotations

import functools
import types

from processes.lava.model import both_precisions
from processes.lava.process import SpikingProcess
from processes.operation import Emission


@functools.cache
def process_class(operands: tuple[Emission, ...], outputs: tuple[Emission, ...]) -> type[SpikingProcess]:
    """The Process class with in ports ``x0_in``, ``x1_in``, ... and out ports ``y0_out``, ... of the given kinds."""
    ports: dict[str, Emission] = {f"x{i}_in": kind for i, kind in enumerate(operands)}
    ports |= {f"y{i}_out": kind for i, kind in enumerate(outputs)}
    module = {"__module__": __name__}
    name = "_".join(["Process", *operands, "to", *outputs])
    process = types.new_class(name, (SpikingProcess,), dict(ports), lambda body: body.update(module))
    # Lava looks for models among the names of the Process's module
    globals().update({model.__name__: model for model in both_precisions(process)})
    return process
