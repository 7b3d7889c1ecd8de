"""What a user should know before trusting a run."""

from __future__ import annotations

from deploy.schema.parts import Number, part


@part
class Caution:
    """Something that ran and may still not be what was meant.

    Attributes:
        kind: "silent": no spike at all; "weights": rounding sets many of a node's weights to 0; "precision": fixed and floating
            point put out different things.
        node: where. number: how much: of silence the largest share of a threshold that was reached, else a share from 0.
        text, remedy: both in words, the number among them.
    """

    kind: str
    node: str
    number: Number
    text: str
    remedy: str
