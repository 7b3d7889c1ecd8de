"""What report.json, sweep.json and evaluation.json hold, as frozen dataclasses: one small file for each part.

A field whose value is its default is left out of the file, so a missing value is never written as null or zero.
"""

from deploy.schema.accuracy import Original, Rung, SoftmaxError, Spiking
from deploy.schema.caution import Caution
from deploy.schema.energy import (
    BreakEven,
    Cost,
    FlopsFormula,
    NeuroBench,
    OriginalCost,
    Originals,
    SynapticOperations,
    Term,
)
from deploy.schema.evaluation import CoreSeconds, Evaluation
from deploy.schema.exactness import Exactness
from deploy.schema.files import dumps, json_schema, loads, read_report, write_report
from deploy.schema.language import Language, Written
from deploy.schema.layers import Code, Layer
from deploy.schema.overlap import Overlap
from deploy.schema.placement import PlacedLayer, Placement
from deploy.schema.report import NOT_STEPPED, SCHEMA_VERSION, Report, Seconds
from deploy.schema.search import LATENCY, BudgetSearch, Failed, Joules, Measured, Point, Search, Setting, Sweep
from deploy.schema.spikes import NotSpiking, Spikes

__all__ = [
    "LATENCY", "NOT_STEPPED", "SCHEMA_VERSION", "BreakEven", "BudgetSearch", "Caution", "Code", "CoreSeconds",
    "Cost", "Evaluation", "Exactness", "Failed", "FlopsFormula", "Joules", "Language", "Layer", "Measured", "NeuroBench",
    "NotSpiking", "Original", "OriginalCost", "Originals", "Overlap", "PlacedLayer", "Placement", "Point", "Report", "Rung",
    "Search", "Seconds", "Setting", "SoftmaxError", "Spikes", "Spiking", "Sweep", "SynapticOperations", "Term", "Written",
    "dumps", "json_schema", "loads", "read_report", "write_report",
]  # fmt: skip
