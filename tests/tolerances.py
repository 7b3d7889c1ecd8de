"""Every tolerance that a test allows, each with its reason. A comparison not listed here is exact."""

TIE = 1e-5
"""Relative to a threshold: two floating-point runs add the same terms in different orders, so a potential
this close to the threshold may fall on either side. Fixed point has no ties: its runs are identical."""

PIXEL = 1 / 255
"""One grey level: image files store no finer, so a decoded pixel lies up to this far from the saved one."""

ROUNDING = 1e-12
"""Relative: the same real numbers in float64, added or divided in another order; far above 2^-53 times a row."""

FLOAT32 = 1e-5
"""Relative: a float64 network next to the float32 module that it was lowered from, a few layers deep."""

CONVERGED = 0.02
"""Relative: a whole module in spikes at B = 1.02, whose every code errs by at most (B - 1) / (B + 1) = 1 %."""

SIT = {"schedule": 0.05, "fitted": 0.15}
"""Relative: a small model by the SIT method at T = 12. Two spikes of a curved function err by some per cent; a fitted
neuron errs by about 0.02 wherever its input lies, which is much of a small potential."""

BASELINE = 0.005
"""Of accuracy: a published rule in float64 next to the same here in float32, where a potential next to a threshold may fall on
its other side."""

PIXELS_CODED = {4: 0.9, 16: 0.95, 32: 0.95}
"""Share of predictions that stay, by T, where pixels are spikes of T levels in place of the currents of the publications."""

FLOAT32_WEIGHT = 2.0**-23
"""Relative: a weight held in float32 next to the same product in float64; twice what one rounding takes."""

FLOAT32_TRACE = 1e-6
"""Absolute: a membrane potential below 0.1 that another simulator published in float32, next to ours in float64."""

IMPORTED = 2**-22
"""Of the largest potential that a layer's weights allow: simulators round imported weights to float32, each by 2^-25 at most
and all the same way at worst."""

FIRST_ORDER = 3.0
"""Factor: a node's part of the outputs' error by gradients, next to really coding that node alone. Errors are not
small, not independent, and judged by two random sums of the outputs."""

SILENCE_SENT = 0.95
"""Fraction of predictions that stay where an export cannot keep a neuron silent and sends its lowest level instead."""

INTEGER_TRACE = 0.9
"""Least cosine of outputs: segments of a fixed-point network decode by a leak, exactly B^-k, where integers have a trace
rounded to 12 bits. Potentials next to a threshold fall on its other side, and in 8 steps of base 1.4 a spike moves by 40 %."""

UNSURE = {1: 0.002, 2: 0.03, 3: 0.15}
"""Share of numbers whose codes a lookup leaves to the definition, by spikes: buckets of 11 bits hold several ends of
pieces where levels reach from 1 to below 1e-5, as those of 1.4 do in 40 steps."""

NORMALISED = 1e-6
"""Absolute, of normalised pixel values: a library that normalises grey levels in one float32 step, next to two steps."""

INT8_SPIKES = 0.1
"""Share of spikes that 8-bit weights change in an untrained network of twenty layers of neurons: each weight errs by up to
0.4 % of its row's largest, potentials next to a threshold fall on its other side, and every layer passes that on."""
GREEDY = 1.15
"""Windows that are lengthened one after the other err at most so many times what the best of all combinations does: steps that
are left over at the end fit no further T."""

SECOND_SYNAPSE = 0.25
"""Of what 8-bit weights change, the share that is left with a second synapse for the rest: weights err by 2^-7 of that, and
what remains are potentials so close to a threshold that decays and units of 24 bits move them across."""

INT8_POTENTIAL = 0.02
"""Absolute, of potentials of about 1 in a first layer that fires the same spikes: its weights and decays are rounded."""

WRITTEN_FORMS = 0.025
"""Relative: a form between two layers at T = 40, B = 1.15 and two spikes a value, whose codes err by some thousandths each; a
product or a cube of such codes errs two or three times as much, 8-bit weights add as much again."""
