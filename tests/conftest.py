"""Settings that every test shares."""

import os

# Before any import of the libraries that read them. No test may reach for a model hub; one thread in each
# test process keeps parallel ones from fighting over the cores.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

# The same examples on every run, and no time limit on one: a slow machine is no failure.
settings.register_profile("tests", derandomize=True, deadline=None)
settings.load_profile("tests")
