"""Options of the commands as dataclasses, for the command line and for Python, checked before any work starts."""

from deploy.options.budget import Budget
from deploy.options.checks import check_choice, check_positive, overlapping
from deploy.options.convert import GRANULARITIES, METHODS, PRECISIONS, ConvertOptions
from deploy.options.evaluate import EvaluateOptions
from deploy.options.graph import GraphOptions

__all__ = [
    "GRANULARITIES", "METHODS", "PRECISIONS", "Budget", "ConvertOptions", "EvaluateOptions", "GraphOptions", "check_choice",
    "check_positive", "overlapping",
]  # fmt: skip
