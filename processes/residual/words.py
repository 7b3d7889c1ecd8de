"""Words for residual streams and for centring."""

from __future__ import annotations

from processes.operation import rows_of, sample_size
from processes.residual import Centre, Residual
from processes.words import NotSpikes, kind, meaning, not_spikes, role

meaning.always("a residual stream: adds its branches up as potentials", Residual)
meaning.always("subtracts the mean of a row", Centre)
kind.always("residual", Residual)
kind.always("normalisation", Centre)
role.always("residual stream", Residual)
role.refuse("a row's mean is formed in the very step of the message that it is taken of", Centre)


@not_spikes.of(Residual)
def _(op: Residual, carried: str) -> NotSpikes:
    """The stream is potentials."""
    why = f"branches add up as potentials, not coded again; each is sent as one graded spike {carried}"
    return NotSpikes("Residual streams", why, sample_size(op.shape))


@not_spikes.of(Centre)
def _(op: Centre, carried: str) -> NotSpikes:
    """Potentials come and go, and so does a row's mean."""
    why = "a neuron averages a row's graded spikes and sends the mean back; centred potentials are sent on"
    return NotSpikes("LayerNorm, centring", why, sample_size(op.shape) + rows_of(op.shape))
