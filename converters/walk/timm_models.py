"""Every module of timm, represented by the smallest of its models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import timm
import torch

from converters.walk import LeftOut, Model, Subject

SIZES = (64, 96, 128, 160, 192, 224, 256, 384, 512)
"""Image sizes in pixels that are tried in this order; the first that a model takes is used."""
CLASSES, CHANNELS, SAMPLES = 5, 3, 2


def subjects() -> Iterator[Subject]:
    """A subject for every module of timm that has models."""
    for module in timm.list_modules():
        if names(module):
            yield Subject(f"timm {module}", lambda module=module: built(module))


def names(module: str) -> list[str]:
    """The models of a module, without those that timm keeps for its own tests."""
    return [name for name in timm.list_models(module=module) if not name.startswith("test_")]


def smallest(module: str) -> str:
    """The model of a module with the fewest parameters, counted without memory for them.

    It is the first model of the module if none can be built without memory.
    """
    counts: dict[str, int] = {}
    for name in names(module):
        try:
            with torch.device("meta"):
                counts[name] = sum(p.numel() for p in timm.create_model(name, pretrained=False).parameters())
        except Exception:  # some compute with the values of tensors while they are built
            continue
    candidates = counts or dict.fromkeys(names(module)[:1], 0)
    return min(candidates, key=lambda name: candidates[name])


def built(module: str) -> tuple[str, Model]:
    """The smallest model of a module with random weights, for the smallest images that it takes, and such images.

    Raises:
        LeftOut: it cannot be built, or runs on no size of images.
    """
    name, reason = smallest(module), ""
    torch.manual_seed(0)
    for size in SIZES:
        sizes: tuple[dict[str, Any], ...] = ({"img_size": size}, {})
        for own in sizes:
            try:
                model = timm.create_model(name, num_classes=CLASSES, **own).eval()
                images = torch.rand(SAMPLES, CHANNELS, size, size)
                with torch.no_grad():
                    if isinstance(model(images[:1]), torch.Tensor):
                        return f"{name}, {size} pixels", (model, (images,))
                reason = "it does not return one tensor"
            except Exception as error:  # an image size that it cannot take says so in any way
                reason = f"{type(error).__name__}: {error}"
    raise LeftOut(f"{name} cannot be run: {reason}")
