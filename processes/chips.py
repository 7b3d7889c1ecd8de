"""What a chip can hold, as data: every bit width of the fixed-point network, in one table per chip.

No other module states a width of the network. The types that carry its numbers here (int8, float32, int64, ...) have
widths of their own, and a chip that asks for more than they hold is refused when its table is made.

Sources are named per line: "Lava" is the ``precision=`` and the constants of lava-nc 0.10.0's bit-accurate models
(``lava.proc.lif.models``, ``lava.proc.dense.models``); "ours" is a choice of this project that keeps sums and products
inside a register of the chip or an exact 64-bit integer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from processes.errors import DeployError

INT8, INT32, INT64 = 8, 32, 64  # signed, the sign included
FLOAT32, FLOAT64 = 24, 53  # integers of that many bits are exact in binary32 and binary64, and their sign is apart


@dataclass(frozen=True, kw_only=True)
class Chip:
    """Widths in bits. Signed widths include the sign and are symmetric: n bits hold +-(2^(n-1) - 1).

    Raises:
        DeployError: the type that carries a number in this package cannot hold its width (the message names the chip,
            the width, the carrier and the widths that it holds), or two widths contradict each other.
    """

    name: str
    weight_bits: int  # signed mantissa of a synaptic weight; one exponent per output row
    trace_bits: int  # unsigned global trace p_k = round(trace_limit * B^-k)
    least_trace_bits: int  # least width of the trace, where potentials or a bound on them would exceed state_limit
    trace_headroom: float  # calibrated potentials of synapses and streams stay below state_limit / trace_headroom
    product_headroom: float  # a product's calibrated potential times this stays below state_limit
    state_bits: int  # signed potentials and currents, saturating at every step
    graded_bits: int  # signed payload of a graded spike: residual stream, winner of a row
    threshold_bits: int  # unsigned threshold mantissa per neuron
    level_bits: int  # unsigned level of a code where (A +- m_k)^2 is compared
    exponential_bits: int  # fraction of an exponential formed by fitted neurons
    schedule_bits: int  # unsigned entry of a threshold schedule table, over k
    norm_drive_bits: int  # signed centred value that LayerNorm squares and compares
    norm_cut_bits: int  # unsigned tau of LayerNorm, cut so that tau * (Qs + E) stays exact
    exact_bits: int  # integers below 2^exact_bits are exact in float64, and so in every way of running
    decay_bits: int  # a decay constant d of a LIF neuron multiplies by (2^decay_bits - d) / 2^decay_bits
    align_bits: int  # left shift of a LIF neuron's input and threshold to its state's most significant bits

    def __post_init__(self) -> None:
        for name, held, carrier in self._carriers():
            if not 2 <= (width := getattr(self, name)) <= held:
                raise DeployError(f"chip '{self.name}': {name} = {width}; {carrier}; choose 2 to {held}")
        if self.least_trace_bits > self.trace_bits:
            widths = f"least_trace_bits = {self.least_trace_bits} exceeds trace_bits = {self.trace_bits}"
            raise DeployError(f"chip '{self.name}': {widths}; choose at most {self.trace_bits}")
        if self.graded_bits != self.state_bits:
            widths = f"graded_bits = {self.graded_bits} is not state_bits = {self.state_bits}"
            raise DeployError(
                f"chip '{self.name}': {widths}, which potentials are handed on with; choose one width for both"
            )

    def _carriers(self) -> Iterator[tuple[str, int, str]]:
        """Each width's name, the most bits that its carrier holds, and the carrier in words."""
        yield "weight_bits", INT8, "weights are carried in int8"
        yield "state_bits", FLOAT32, f"potentials are carried in float32, whose integers are exact to {FLOAT32} bits"
        # traces of a neuron's spikes, of which there are up to 3, are summed in float32
        yield "trace_bits", FLOAT32 - 2, f"sums of 3 spikes' traces are carried in float32, exact to {FLOAT32} bits"
        yield (
            "least_trace_bits",
            FLOAT32 - 2,
            f"sums of 3 spikes' traces are carried in float32, exact to {FLOAT32} bits",
        )
        yield "threshold_bits", INT32 - 1, "unsigned thresholds are carried in int32"
        yield "schedule_bits", INT32 - 2, "table entries are carried in int32, whose ends stand for never and always"
        # A +- m_k of up to 3 spikes has two bits more than a level, and its square twice as many
        most = INT64 - 1 - self.threshold_bits
        yield (
            "level_bits",
            most // 2 - 2,
            f"squared levels times {self.threshold_bits} bits of gain are carried in int64",
        )
        yield "exponential_bits", INT32 - 2, "exponentials are carried in int32"
        yield "norm_drive_bits", FLOAT64 // 2 + 1, f"squares of LayerNorm's drive are exact to {FLOAT64} bits"
        most = self.exact_bits - self.state_bits
        yield "norm_cut_bits", most, f"its products with {self.state_bits}-bit sums are exact to {self.exact_bits} bits"
        yield "exact_bits", FLOAT64, f"float64 is exact to {FLOAT64} bits"
        yield (
            "decay_bits",
            INT64 - self.state_bits,
            f"its products with {self.state_bits}-bit states are carried in int64",
        )
        yield (
            "align_bits",
            INT64 - 1 - self.state_bits,
            f"{self.state_bits}-bit states shifted left are carried in int64",
        )

    @property
    def state_limit(self) -> int:
        """Largest magnitude of a potential."""
        return 2 ** (self.state_bits - 1) - 1

    @property
    def graded_limit(self) -> int:
        """Largest magnitude of a graded spike's payload."""
        return 2 ** (self.graded_bits - 1) - 1

    @property
    def trace_limit(self) -> int:
        """First value of the global trace, 4095 for 12 bits."""
        return 2**self.trace_bits - 1

    def product_trace_limit(self, reach: float) -> int:
        """First value P of a product's trace, at most trace_limit; its calibrated potential is ``reach`` for P = 1.

        P = floor(sqrt(state_limit / (product_headroom * reach))): as fine as the potential leaves room for.
        """
        return min(self.trace_limit, math.isqrt(int(self.state_limit / (self.product_headroom * max(reach, 1e-9)))))


LOIHI2 = Chip(
    name="loihi2",
    weight_bits=8,  # Lava: Dense.weights, precision 8
    trace_bits=12,  # ours; Loihi's own learning traces have 7 bits and are not used
    least_trace_bits=10,  # ours: halves every potential twice; benchmarks/trace_bits.py says what that costs
    trace_headroom=1.5,  # ours: unseen inputs may exceed the calibration set by this factor
    product_headroom=2.0,  # ours: Cauchy-Schwarz bounds of calibrated rows then stay below the limit too
    state_bits=24,  # Lava: LIF.u and LIF.v, precision 24, clipped at +-(2^23 - 1)
    graded_bits=24,  # Lava: s_out, precision 24
    threshold_bits=16,  # ours, inside Lava's 17-bit LIF.vth
    level_bits=20,  # ours: (A +- m_k)^2 times a gain of 16 bits stays inside 64
    exponential_bits=16,  # ours: a row's sum of exponentials has room in a potential
    schedule_bits=16,  # ours: mantissa * entry * S has 16 + 16 + 24 bits, inside 64
    norm_drive_bits=20,  # ours: the square has 38 bits; channels far below the largest keep their resolution
    norm_cut_bits=24,  # ours: the product with a 29-bit Qs + E has 53
    exact_bits=53,  # IEEE 754 binary64
    decay_bits=12,  # Lava: decay_shift
    align_bits=6,  # Lava: vth_shift and act_shift
)

CHIPS: dict[str, Chip] = {chip.name: chip for chip in (LOIHI2,)}
"""Tables of widths by chip name."""


def widths_of(name: str | None) -> Chip:
    """The table of a chip in :data:`CHIPS`; LOIHI2 for None, so that a floating-point network can be placed.

    Raises:
        DeployError: no table has this name, as for a chip of the user's own.
    """
    if name is None:
        return LOIHI2
    if name not in CHIPS:
        raise DeployError(
            f"there is no table of chip '{name}', only of {', '.join(CHIPS)}; add it to processes.chips.CHIPS"
        )
    return CHIPS[name]
