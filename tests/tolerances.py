"""Every tolerance that a test allows, each with its reason. A comparison not listed here is exact."""

TIE = 1e-5
"""Relative to a threshold: two floating-point runs add the same terms in different orders, so a potential
this close to the threshold may fall on either side. Fixed point has no ties: its runs are identical."""

PIXEL = 1 / 255
"""One grey level: image files store no finer, so a decoded pixel lies up to this far from the saved one."""

ROUNDING = 1e-12
"""Relative: the same real numbers in float64, added or divided in another order; far above 2^-53 times a row."""
