"""Max pooling refuses to go on with later tokens."""

from __future__ import annotations

from processes.max_pool import MaxPool
from processes.tokens import tokens

tokens.refuse("its windows reach over tokens that are still to come", MaxPool)
