"""`deploy trained`: a network that was trained as a spiking one, run in floating point, in integers and on Lava."""

from deploy.trained.options import TrainedOptions
from deploy.trained.report import REPORT, TrainedReport, read_trained
from deploy.trained.run import run_trained

__all__ = ["REPORT", "TrainedOptions", "TrainedReport", "read_trained", "run_trained"]
