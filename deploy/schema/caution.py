"""What a user should know before trusting a run."""

from __future__ import annotations

from deploy.schema.parts import Number, part


@part
class Caution:
    """A warning about a run that succeeded, but whose result may not be what was meant.

    Attributes:
        kind: "silent": the network sends no spike at all; "weights": rounding sets much of a node's weights to 0;
            "precision": the outputs in fixed point are far from those in floating point.
        node: name of the node concerned.
        number: of "silent", the largest potential over the threshold (0 of a converted network); of "weights", the
            share of the weights' magnitude that rounding sets to 0; of "precision", |fixed - float| / |float| of the
            outputs, L2 norm.
        text: the warning in words, with the number.
        remedy: what to do about it, in words.
    """

    kind: str
    node: str
    number: Number
    text: str
    remedy: str
