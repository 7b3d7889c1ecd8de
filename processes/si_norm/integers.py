"""SI-norm in integers: it reads the spikes of its exponential by that operation's integer outputs."""

from __future__ import annotations

from dataclasses import replace

from processes.integers import FixedPosition, Integers, Setting, integers
from processes.si_exp import SiExp
from processes.si_exp.integers import integer_output
from processes.si_norm import SiNorm


@integers.of(SiNorm)
def _(op: SiNorm, at: FixedPosition, setting: Setting) -> Integers:
    """Set the outputs to the integer ones of the SI-exp operand."""
    exponential = at.operands[0].op
    assert isinstance(exponential, SiExp)
    output, _ = integer_output(exponential, setting.chip)
    return Integers(replace(op, output=output, state_bits=setting.chip.state_bits))
