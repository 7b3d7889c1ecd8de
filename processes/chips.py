"""What a chip can hold, as data: every bit width of the fixed-point network, in one table per chip.

No other module writes a width down. Sources are named per line: "Lava" is the ``precision=`` and the
constants of lava-nc 0.10.0's bit-accurate models (``lava.proc.lif.models``, ``lava.proc.dense.models``);
"ours" is a choice of this project that keeps sums and products inside a register of the chip or an exact
64-bit integer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Chip:
    """Widths in bits. Signed widths include the sign and are symmetric: n bits hold +-(2^(n-1) - 1)."""

    name: str
    weight_bits: int  # signed mantissa of a synaptic weight; one exponent per output row
    trace_bits: int  # unsigned global trace p_k = round(trace_limit * B^-k)
    reduced_trace_bits: int  # the same trace in a layer whose potentials would come too near state_limit
    trace_headroom: float  # reduced_trace_bits apply above state_limit / trace_headroom
    product_headroom: float  # what a product's calibrated potential is multiplied by to fit state_limit
    state_bits: int  # signed potentials and currents, saturating at every step
    graded_bits: int  # signed payload of a graded spike: residual stream, winner of a row
    threshold_bits: int  # unsigned threshold mantissa per neuron
    schedule_bits: int  # unsigned entry of a threshold schedule table, over k
    norm_drive_bits: int  # signed centred value that LayerNorm squares and compares
    norm_cut_bits: int  # unsigned tau of LayerNorm, cut so that tau * (Qs + E) stays exact
    exact_bits: int  # integers below 2^exact_bits are exact in float64, and so in every way of running
    decay_bits: int  # a decay constant d of a LIF neuron multiplies by (2^decay_bits - d) / 2^decay_bits
    align_bits: int  # left shift of a LIF neuron's input and threshold to its state's most significant bits

    @property
    def state_limit(self) -> int:
        """Largest potential."""
        return 2 ** (self.state_bits - 1) - 1

    @property
    def graded_limit(self) -> int:
        """Largest payload of a graded spike."""
        return 2 ** (self.graded_bits - 1) - 1

    @property
    def trace_limit(self) -> int:
        """First value of the global trace, 4095 for 12 bits."""
        return 2**self.trace_bits - 1

    def trace_bits_for(self, reach: float) -> int:
        """Trace width of a layer whose calibrated potential reaches ``reach`` with the full trace."""
        fits = reach <= 2 ** (self.state_bits - 1) / self.trace_headroom
        return self.trace_bits if fits else self.reduced_trace_bits

    def product_trace_limit(self, reach: float) -> int:
        """First value P of the trace of a product whose calibrated potential is ``reach`` for P = 1; at most trace_limit.

        P = floor(sqrt(state_limit / (product_headroom * reach))): as fine as the potential leaves room for.
        """
        return min(self.trace_limit, math.isqrt(int(self.state_limit / (self.product_headroom * max(reach, 1e-9)))))


LOIHI2 = Chip(
    name="loihi2",
    weight_bits=8,  # Lava: Dense.weights, precision 8
    trace_bits=12,  # ours; Loihi's own learning traces have 7 bits and are not used
    reduced_trace_bits=11,  # ours: halves every potential of the layer
    trace_headroom=1.5,  # ours: what unseen inputs may exceed the calibration set by
    product_headroom=2.0,  # ours: Cauchy-Schwarz bounds of calibrated rows then stay below the limit too
    state_bits=24,  # Lava: LIF.u and LIF.v, precision 24, clipped at +-(2^23 - 1)
    graded_bits=24,  # Lava: s_out, precision 24
    threshold_bits=16,  # ours, inside Lava's 17-bit LIF.vth
    schedule_bits=16,  # ours: mantissa * entry * S has 16 + 16 + 24 bits, inside 64
    norm_drive_bits=20,  # ours: the square has 38 bits; channels far below the largest keep their resolution
    norm_cut_bits=24,  # ours: the product with a 29-bit Qs + E has 53
    exact_bits=53,  # IEEE 754 binary64
    decay_bits=12,  # Lava: decay_shift
    align_bits=6,  # Lava: vth_shift and act_shift
)

CHIPS: dict[str, Chip] = {chip.name: chip for chip in (LOIHI2,)}
