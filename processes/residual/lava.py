"""Lava Processes of the residual stream and of LayerNorm's centring."""

from __future__ import annotations

import functools
import types

from processes.lava.model import both_precisions
from processes.lava.operation import OperationProcess
from processes.lava_process import process_of
from processes.residual import Centre, Residual


class CentreProcess(OperationProcess, x_in="graded", c_out="graded"):
    """Receives graded potentials, and sends them minus the mean of each row."""


CentreProcessFloat, CentreProcessFixed = both_precisions(CentreProcess)


@functools.cache
def residual_process(operands: int) -> type[OperationProcess]:
    """The Process class that sums ``operands`` branches, with the ports x0_in, x1_in, ... and y_out."""
    ports = {f"x{i}_in": "currents" for i in range(operands)} | {"y_out": "graded"}
    name = f"ResidualProcess{operands}"
    process = types.new_class(name, (OperationProcess,), ports, lambda body: body.update(__module__=__name__))
    # Lava looks for models among the names of the Process's module
    globals().update({model.__name__: model for model in both_precisions(process)})
    return process


process_of.always(CentreProcess, Centre)


@process_of.of(Residual)
def _(op: Residual, operands: int) -> type[OperationProcess]:
    """The Process class with one in port for each branch."""
    return residual_process(operands)
