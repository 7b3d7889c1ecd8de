"""First spikes by a logarithm: where thresholds fall by one ratio, it counts those that a potential does not reach.

    place = 1 + (log2 m_0 - log2 |x|) / log2(m_k / m_{k+1}),    k = floor(place),    for thresholds m_k

Nothing is loaded from where x says, so compilers make wide operations of the whole loop. A place that is too close to a
whole number, for what rounding, the polynomial and thresholds beside the progression may change, is *unsure*.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

from processes.kernels.compiled import njit

MANTISSA, EXPONENT, BIAS = np.uint32(0x7FFFFF), np.uint32(23), np.int32(127)
ONE = np.uint32(0x3F800000)  # the bits of 1.0
MIDDLE, SIGN = np.float32(1.5), np.int32(31)


def _polynomial(degree: int) -> tuple[np.ndarray, float]:
    """Coefficients, float32, of a polynomial of m - 1.5 that is about log2(m) for m from 1 to 2, and its largest error."""
    rest = np.linspace(-0.5, 0.5, 2**16)
    fitted = Chebyshev.interpolate(lambda r: np.log2(r + 1.5), degree, [-0.5, 0.5]).convert(kind=Polynomial)
    coefficients = np.asarray(fitted.coef, np.float32)
    error = np.abs(np.polyval(coefficients[::-1].astype(float), rest) - np.log2(rest + 1.5))
    return coefficients, float(error.max())


(C0, C1, C2, C3, C4, C5), _ERROR = _polynomial(5)
LOG_ERROR = 1.01 * _ERROR + 2.0**-20
"""The most that the logarithm of a mantissa is off, evaluated in float32."""


@njit
def as_numbers(progression):
    """Steps, int32, and the eight float32 that follow in a progression (9,)."""
    p = progression
    return np.int32(p[0]), p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8]


@njit(inline="always")
def first_spike(x, factor, progression, known, none):
    """Code of a potential x, in units of the thresholds x * factor, or ``none`` if it is unsure.

    progression is what :func:`as_numbers` gives. known is (units, limit, margin): x may be off by ``units``, and is unsure if
    it is larger than ``limit`` or off by more than ``margin`` in units of the thresholds; None if it is exact and has none.
    """
    steps, lowest, slope, begin, least, largest, doubt, slack, widening = progression
    y = np.float32(max(x * factor, lowest))
    size = np.float32(min(max(abs(y), least), largest))
    bits = size.view(np.uint32)
    rest = np.uint32((bits & MANTISSA) | ONE).view(np.float32) - MIDDLE
    log = ((((C5 * rest + C4) * rest + C3) * rest + C2) * rest + C1) * rest + C0
    place = begin - slope * (log + np.float32(np.int32(np.int32(bits >> EXPONENT) - BIAS)))
    k = np.int32(place)
    beside = (abs(place - np.rint(place)) - doubt) * size
    if known is None:
        sure = beside >= slack  # not if it is no number
    else:
        units, limit, margin = known
        own = units * factor
        sure = (beside >= slack + own * widening) & (own <= margin) & (abs(x) <= limit)
    code = np.int32(k + 1) if k < steps else np.int32(0)
    minus = y.view(np.int32) >> SIGN
    return np.int32(np.int32(code ^ minus) - minus) if sure else none
