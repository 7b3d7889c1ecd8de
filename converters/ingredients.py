"""What conversion by phase codes consists of besides the codes, each part by itself.

All of it is always on. Tests and ablations turn parts off, to show what each of them does and what it is worth.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ingredients:
    """True where a part is used.

    Attributes:
        layer_bases: a base for each firing node; False: the one that is best for all together.
        layer_scales: largest values may saturate where that lowers the outputs' error; False: they never do.
        headroom: scales of gates may exceed the largest calibrated values where samples that did not set them gain; False:
            they never do.
        channel_scales: a scale for each feature, folded into weights and into the gain of the norm before, so that outlying
            channels do not set the levels of others; False: one for a node, the largest.
        equal_products: scales of q and k may vary within a head as long as their product does not; False: neither does.
        biases: corrected by what codes lose on average (:mod:`converters.correct`).
        rounding: weights are rounded together (:mod:`converters.discretise.rounding`); False: each to nearest.
        importance: rows count in biases and rounding by what they cost the outputs; False: all the same.
        balance: scales are raised for the sake of integer weights (:mod:`converters.balance`) if held-back samples gain and
            values may take more than one spike.
        row_units: potentials of an integer layer's rows have units of their own; False: powers of two.
        outliers: columns of an integer layer whose weights are far larger than the others' have a synapse of their own
            (:mod:`converters.outliers`); False: they set the units of all.
    """

    layer_bases: bool = True
    layer_scales: bool = True
    headroom: bool = True
    channel_scales: bool = True
    equal_products: bool = True
    biases: bool = True
    rounding: bool = True
    importance: bool = True
    balance: bool = True
    row_units: bool = True
    outliers: bool = True


ALL = Ingredients()
