"""How close a spiking network comes to the original: as a whole, rung by rung, and SIT's softmax by itself."""

from __future__ import annotations

from deploy.schema.parts import Count, Fraction, Number, part


@part
class Original:
    """The original network on the evaluation samples.

    accuracy: share of samples whose label it predicts; absent without labels.
    """

    accuracy: Fraction | None = None


@part
class Spiking:
    """The spiking network on the evaluation samples.

    accuracy: share of samples whose label it predicts; absent without labels. output_cosine: mean cosine of its outputs with
    the original's, of models without classes. relative_error: |output - original| / |original|, L2 norm over all samples.
    """

    accuracy: Fraction | None = None
    output_cosine: Number | None = None
    relative_error: Number | None = None


@part
class Rung:
    """One version of the network on the ladder from the original to what the target ran.

    agreement: share of ``samples`` whose prediction is the original's. layer_error: mean of the layers' relative errors.
    The other fields are those of :class:`Spiking`.
    """

    name: str
    samples: Count
    accuracy: Fraction | None = None
    agreement: Fraction | None = None
    output_cosine: Number | None = None
    relative_error: Number | None = None
    layer_error: Number | None = None


@part
class SoftmaxError:
    """Errors of softmax by SI-exp and SI-norm in K = ``steps`` steps (SIT-conversion, figure 7).

    exp_published, exp_extended: root mean square error of SI-exp on random points of [-1, 1], as published and with a clock
    that reaches as far. relative: largest relative error on [-12, 0] of the one that conversions take. narrow, wide: mean
    square error of softmax by that one on rows in [-1, 1] and in [-10, 10]; published: as published, on rows in [-1, 1].
    relative, narrow and wide are absent where K steps do not reach that far.
    """

    steps: Count
    exp_published: Number
    exp_extended: Number
    published: Number
    relative: Number | None = None
    narrow: Number | None = None
    wide: Number | None = None
