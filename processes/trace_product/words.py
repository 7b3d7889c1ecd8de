"""What reports say about products of two spike trains."""

from __future__ import annotations

from processes.trace_product import SquareSum, TraceProduct
from processes.words import NO_STAGE, NotSpikes, kind, meaning, not_spikes, role

meaning.always("the product of two layers of spikes: each spike adds the other side's decaying trace", TraceProduct)
meaning.always("the product of a layer of spikes with itself: the sum of squares that normalisation needs", SquareSum)
kind.always("connections", TraceProduct, SquareSum)
role.refuse(NO_STAGE, TraceProduct, SquareSum)
not_spikes.always(
    NotSpikes(
        "Products of activations",
        "spikes start every addition, but what is added is a stored trace, a number, not a fixed weight",
    ),
    TraceProduct,
    SquareSum,
)
