"""Lava Processes and ProcessModels: one base of each, which every operation's Process derives from."""

import importlib
import multiprocessing
import sys

CHANNELS = "lava.magma.runtime.message_infrastructure.multiprocessing"
if CHANNELS not in sys.modules:
    # Lava sets the start method (fork) when it is imported, which fails where another import has fixed the method
    # already. So the method is cleared, and Lava's module imported here, before anything else can fix it again.
    multiprocessing.set_start_method(None, force=True)
    importlib.import_module(CHANNELS)
