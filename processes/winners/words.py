"""What reports say about k winners."""

from __future__ import annotations

from processes.winners import Winners
from processes.words import kind, meaning, not_spikes, role

meaning.always(
    "k winners take all: a race of spike trains in each group, whose k largest fire one spike each, worth 1", Winners
)
kind.always("code", Winners)
role.always("k winners", Winners)
not_spikes.always(None, Winners)
