"""What reports say about residual streams and centring."""

from __future__ import annotations

from processes.operation import rows_of, sample_size
from processes.residual import Centre, Residual
from processes.words import NotSpikes, kind, meaning, not_spikes, role

meaning.always(
    "a residual stream: adds its branches up as potentials, each times a weight where it is a rotation", Residual
)
meaning.always("subtracts the mean of a row", Centre)
kind.always("residual", Residual)
kind.always("normalisation", Centre)
role.always("residual stream", Residual)
role.refuse("a row's mean is formed in the very step of the message that it is taken of", Centre)


@not_spikes.of(Residual)
def _(op: Residual, carried: str) -> NotSpikes:
    """The graded spikes that carry the potentials of a stream, or of a rotation or weighted sum."""
    if op.weights is not None:
        why = "potentials are multiplied by constants and added up before they are coded, each sent as one graded spike"
        return NotSpikes("Rotary embeddings and weighted sums", why, sample_size(op.shape))
    why = f"branches add up as potentials, not coded again; each is sent as one graded spike {carried}"
    return NotSpikes("Residual streams", why, sample_size(op.shape))


@not_spikes.of(Centre)
def _(op: Centre, carried: str) -> NotSpikes:
    """The graded spikes that carry the centred potentials and the mean of each row."""
    why = "a neuron averages a row's graded spikes and sends the mean back; centred potentials are sent on"
    return NotSpikes("LayerNorm, centring", why, sample_size(op.shape) + rows_of(op.shape))
