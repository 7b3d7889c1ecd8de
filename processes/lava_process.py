"""The trait that names the Lava Process of an operation, answered in ``lava.py`` of the operation's folder.

The trait stands outside of :mod:`processes.lava`, so that it can be declared and listed where Lava is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from processes.traits import Trait

if TYPE_CHECKING:
    from processes.lava.operation import OperationProcess

process_of: Trait[[int], type[OperationProcess]] = Trait("lava", "which Lava Process steps it")
"""The Process class of an operation with the given number of operands. Calling the trait imports Lava."""
