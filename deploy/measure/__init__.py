"""Measures of a converted network: accuracy beside the original, errors by layer, spikes, attention, time."""

from deploy.measure.activity import RasterLayer, Stage, record_raster, stages
from deploy.measure.attention import AttentionMap, attention_maps
from deploy.measure.codes import codes
from deploy.measure.evaluation import Measurement, Outputs, ann_outputs, evaluate
from deploy.measure.graded import not_spiking
from deploy.measure.ladder import Rung, rounded_weights, rung
from deploy.measure.layers import LayerComparison, ToReal, compare_layers, layer_values, real_values, stepped_errors
from deploy.measure.metrics import accuracy, agreement, expected_losses, output_cosine, relative_error
from deploy.measure.quality import QUALITIES, Quality, quality_of

__all__ = [
    "QUALITIES", "AttentionMap", "LayerComparison", "Measurement", "Outputs", "Quality", "RasterLayer", "Rung",
    "Stage", "ToReal", "accuracy", "agreement", "ann_outputs", "attention_maps", "codes", "compare_layers",
    "evaluate", "expected_losses", "layer_values", "not_spiking", "output_cosine", "quality_of", "real_values",
    "record_raster", "relative_error", "rounded_weights", "rung", "stages", "stepped_errors",
]  # fmt: skip
