"""What reports say about elementwise products."""

from __future__ import annotations

from processes.elementwise_product import ElementwiseProduct
from processes.words import NO_STAGE, NotSpikes, kind, meaning, not_spikes, role

meaning.always(
    "a gate: two neurons' spikes multiplied by their decaying traces, one product for each", ElementwiseProduct
)
kind.always("connections", ElementwiseProduct)
role.refuse(NO_STAGE, ElementwiseProduct)
not_spikes.always(
    NotSpikes(
        "Products of activations",
        "spikes start every addition, but what is added is a stored trace, a number, not a fixed weight",
    ),
    ElementwiseProduct,
)
