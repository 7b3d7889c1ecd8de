"""Lava Processes and ProcessModels: one base of each, which every operation's Process derives from."""

import multiprocessing
import sys

if "lava.magma.runtime.message_infrastructure.multiprocessing" not in sys.modules:
    # Lava chooses the start method (fork) when imported, and cannot where somebody's import has fixed it already
    multiprocessing.set_start_method(None, force=True)
