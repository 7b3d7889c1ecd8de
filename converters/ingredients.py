"""The parts that conversion by phase codes consists of, each of which can be switched off by itself.

All of them are on by default. Tests and ablations turn parts off to measure what each one contributes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ingredients:
    """Which parts of the conversion are used; every attribute is True where its part is.

    Attributes:
        layer_bases: a base for each firing node; False: one base, the best for all nodes together.
        layer_scales: a scale may be less than the calibrated maximum, so that the largest values saturate, where that
            lowers the outputs' error; False: never.
        headroom: scales of gates may exceed the largest calibrated values where that lowers the error on samples that
            did not set the scale; False: they never do.
        channel_scales: a scale for each feature, folded into weights and into the gain of the norm before, so that outlying
            channels do not set the levels of others; False: one scale for a node, the largest.
        equal_products: scales of q and k may vary within a head as long as their product does not; False: neither may.
        biases: biases are corrected by what codes lose on average (:mod:`converters.correct`).
        rounding: weights of a row are rounded together (:mod:`converters.discretise.rounding`); False: each to nearest.
        importance: bias correction and rounding weigh rows (tokens, pixels) by what errors there cost the outputs;
            False: all rows count the same.
        balance: scales are raised so that integer weights use more of their bits (:mod:`converters.balance`), if that
            lowers the error on held-back samples and values may take more than one spike.
        row_units: each row of an integer layer may have any real unit for its potentials; False: powers of two.
        outliers: columns of an integer layer whose weights are far larger than the others' have a synapse of their own
            (:mod:`converters.outliers`); False: they set the units of all columns.
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
