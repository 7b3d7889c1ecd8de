"""How close a spiking network comes to the original: as a whole, rung by rung, and SIT's softmax by itself."""

from __future__ import annotations

from deploy.schema.parts import Count, Fraction, Number, part


@part
class Original:
    """The original network on the evaluation samples.

    Attributes:
        accuracy: share of samples whose label the original network predicts; absent without labels.
    """

    accuracy: Fraction | None = None


@part
class Spiking:
    """The spiking network on the evaluation samples.

    Attributes:
        accuracy: share of samples whose label the spiking network predicts; absent without labels.
        output_cosine: mean over samples of the cosine between the spiking output and the original's; report.json holds
            it for models without classes only, evaluation.json for all.
        relative_error: |output - original| / |original|, L2 norm over all samples.
    """

    accuracy: Fraction | None = None
    output_cosine: Number | None = None
    relative_error: Number | None = None


@part
class Rung:
    """One version of the network on the ladder from the original to what the target ran.

    Attributes:
        name: of the version, such as "ANN" or "spiking fixed".
        samples: how many evaluation samples this version ran.
        accuracy: share of samples whose label this version predicts; absent without labels.
        agreement: share of samples whose prediction is the original's; absent of models without classes.
        output_cosine: mean cosine of the outputs with the original's, of models without classes.
        relative_error: |output - original| / |original|, L2 norm over all samples.
        layer_error: mean of the layers' relative errors.
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

    Published SI-exp is fitted on [-1, 1]; extended SI-exp, which conversions take by default, covers any range.

    Attributes:
        steps: K.
        exp_published, exp_extended: root mean square error of published and of extended SI-exp on random points of
            [-1, 1].
        published: mean square error of the weights of softmax by published SI-exp, on rows in [-1, 1].
        relative: largest relative error of extended SI-exp on [-12, 0].
        narrow, wide: mean square error of the weights of softmax by extended SI-exp, on rows in [-1, 1] and in
            [-10, 10].

    relative, narrow and wide are absent if K steps are too few for the range of extended SI-exp.
    """

    steps: Count
    exp_published: Number
    exp_extended: Number
    published: Number
    relative: Number | None = None
    narrow: Number | None = None
    wide: Number | None = None
