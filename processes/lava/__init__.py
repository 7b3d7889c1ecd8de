"""Lava Processes and ProcessModels: one base of each, which every operation's Process derives from."""

import importlib
import multiprocessing
import sys

CHANNELS = "lava.magma.runtime.message_infrastructure.multiprocessing"
if CHANNELS not in sys.modules:
    # Lava chooses the start method (fork) when imported, and cannot where somebody's import has fixed it already; so it is
    # imported here and now, before anybody else can
    multiprocessing.set_start_method(None, force=True)
    importlib.import_module(CHANNELS)
