"""Which Lava Process steps an operation: each says so in ``lava.py`` of its folder.

The trait stands outside of :mod:`processes.lava`, so that it can be declared and known where Lava is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from processes.traits import Trait

if TYPE_CHECKING:
    from processes.lava.operation import OperationProcess

process_of: Trait[[int], type[OperationProcess]] = Trait("lava", "which Lava Process steps it")
"""The Process of an operation with that many operands. Asking imports Lava, and nothing else here does."""
