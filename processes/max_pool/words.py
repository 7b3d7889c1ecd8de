"""What reports say about max pooling."""

from __future__ import annotations

from processes.max_pool import MaxPool
from processes.words import kind, meaning, not_spikes, role

meaning.always("a race of spike trains: passes on that of the largest value of each field, as it comes", MaxPool)
kind.always("code", MaxPool)
role.always("max pooling", MaxPool)
not_spikes.always(None, MaxPool)
