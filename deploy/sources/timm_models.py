"""Models from timm, with timm's preprocessing of their data configuration."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import timm
import torch
from huggingface_hub import hf_hub_download
from timm.data.config import resolve_model_data_config
from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset
from torch import nn

from deploy.errors import DeployError, first_line
from deploy.sources.loaded import InputSpec, LoadedModel
from deploy.sources.named import RANDOM
from deploy.sources.preprocessing import timm_input
from deploy.sources.timm_names import unknown
from deploy.sources.weights import put_weights, read_weights
from deploy.sources.wrappers import PREFIX, Normalised

SOURCES = {"pretrained", "pretrained_cfg", "checkpoint_path", "cache_dir"}
"""Arguments of timm.create_model that are refused, as timm would fetch and unpickle the weights that they name."""
OVERLAY = "pretrained_cfg_overlay"
SHOWN = {
    "mean",
    "std",
    "crop_pct",
    "crop_mode",
    "interpolation",
    "input_size",
    "num_classes",
    "test_input_size",
    "test_crop_pct",
}
"""Settings that an overlay of timm's configuration may hold: preprocessing and classes, nothing that is fetched."""


def load(
    name: str, weights: Path | str | None, seed: int, arguments: Mapping[str, Any] = MappingProxyType({})
) -> LoadedModel:
    """Build timm's model ``name``, with its preprocessing.

    Args:
        name: model name, with or without a tag of weights.
        weights: a weights file, ``random``, or None for timm's published weights. The number of classes is the file's
            unless ``arguments`` set it, so that fine-tuned models load as they are.
        seed: of a random initialisation.
        arguments: of timm.create_model.

    Raises:
        DeployError: timm has no such model or cannot build it with these arguments, or the weights cannot be read.
    """
    if not timm.is_model(name):
        raise unknown(name)
    overlay = arguments.get(OVERLAY)
    held = overlay.keys() if isinstance(overlay, Mapping) else {OVERLAY} & arguments.keys()
    if foreign := sorted((SOURCES & arguments.keys()) | (held - SHOWN)):
        raise DeployError(f"timm:{name}: --model-args {foreign[0]}: weights come from --weights alone; leave it out")
    if weights is None:
        model = _pretrained(name, arguments)
    elif weights == RANDOM:
        model = _untrained(name, seed, **arguments)
    else:
        path = Path(weights)
        tensors = read_weights(path)
        model = _untrained(name, seed, **arguments)
        classes = _classes(model, tensors)
        if "num_classes" not in arguments and classes not in (None, getattr(model, "num_classes", None)):
            model = _untrained(name, seed, **arguments, num_classes=classes)
        put_weights(model, tensors, path, f"timm:{name}")
    size = arguments.get("img_size")
    channels = int(arguments.get("in_chans", 3))
    sides = list(size) if isinstance(size, (list, tuple)) else [size, size]
    config = resolve_model_data_config(model, {} if size is None else {"input_size": (channels, *sides)})
    image = timm_input(tuple(config.pop("input_size")), **config)
    classes = int(getattr(model, "num_classes", 0)) or None
    return LoadedModel(
        name=name,
        spec=f"timm:{name}",
        module=Normalised(model, config["mean"], config["std"]),
        inputs={"x": InputSpec("float32", image.size)},
        prefix=PREFIX,
        classes=classes,
        class_names=_class_names(model, classes),
        image=image,
        weights=weights,
        seed=seed,
    )


def _untrained(name: str, seed: int, **options: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _created(name, pretrained=False, **options)


def _created(name: str, **options: Any) -> nn.Module:
    """Call timm.create_model; raise DeployError for arguments that the model does not take."""
    try:
        return timm.create_model(name, **options)
    except Exception as error:  # unexpected arguments raise many types of exception
        raise DeployError(f"timm:{name}: --model-args: timm cannot build it ({first_line(error)})") from error


def _pretrained(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Build the model with published weights, fetched as safetensors only: timm's own loader falls back to pickles."""
    config = timm.get_pretrained_cfg(name)
    hub = config.hf_hub_id if config is not None else None
    remedy = f"give --weights FILE, or --weights {RANDOM} to size the network without training"
    if not hub:
        raise DeployError(f"timm:{name}: timm publishes no weights for it as safetensors; {remedy}")
    try:
        with _quiet("huggingface_hub"):
            file = hf_hub_download(hub, getattr(config, "hf_hub_filename", None) or "model.safetensors")
    except (OSError, ValueError, RuntimeError) as error:
        raise DeployError(f"timm:{name}: its weights cannot be fetched ({first_line(error)}); {remedy}") from error
    if Path(file).suffix != ".safetensors":
        raise DeployError(f"timm:{name}: its weights are published as {Path(file).name}, not safetensors; {remedy}")
    overlay = {"file": file, "custom_load": False}
    return _created(name, pretrained=True, pretrained_cfg_overlay=overlay, **arguments)


def _classes(model: nn.Module, tensors: dict[str, torch.Tensor]) -> int | None:
    """Number of classes that a weights file was trained for, from the rows of its classifier; None if it has none."""
    classifier = getattr(model, "pretrained_cfg", {}).get("classifier")
    first = classifier[0] if isinstance(classifier, (list, tuple)) and classifier else classifier
    ends = [name for name in tensors if f".{name}".endswith(f".{first}.weight")]
    return int(tensors[min(ends, key=len)].shape[0]) if ends else None


def _class_names(model: nn.Module, classes: int | None) -> tuple[str, ...]:
    """ImageNet's folder names (WordNet identifiers) if the model's classes are ImageNet's; else empty."""
    subset = infer_imagenet_subset(model)
    if subset is None:
        return ()
    names = tuple(ImageNetInfo(subset).label_names())
    return names if len(names) == classes else ()


@contextlib.contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Context that silences a library's retry messages, so that the error message with the remedy is seen."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
