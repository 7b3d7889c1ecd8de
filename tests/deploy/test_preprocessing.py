"""What arrives at a model is what its own library's preprocessing would have given it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import transformers
from PIL import Image
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform
from torch import nn

from deploy.errors import DeployError
from deploy.sources.modes import open_image
from deploy.sources.preprocessing import from_processor, processor_input, timm_input
from deploy.sources.wrappers import Normalised
from tests.tolerances import NORMALISED

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers, while it builds processors

SIZES = ((131, 97), (60, 333), (256, 255))
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "DeiT": ("DeiTImageProcessor", {"size": 64, "crop_size": 56}),
    "DINOv2": ("BitImageProcessor", {"size": {"shortest_edge": 64}, "crop_size": {"height": 56, "width": 56}}),
    "ConvNeXt": ("ConvNextImageProcessor", {"size": {"shortest_edge": 56}, "crop_pct": 0.875}),
    "ConvNeXt, large": ("ConvNextImageProcessor", {}),
    "ViT": ("ViTImageProcessor", {"size": {"height": 56, "width": 56}, **HALF}),
    "ViT, rescaled": ("ViTImageProcessor", {"size": {"height": 56, "width": 56}, "rescale_factor": 1 / 127.5}),
    "ViT, not normalised": ("ViTImageProcessor", {"size": {"height": 56, "width": 56}, "do_normalize": False}),
    "Swin": ("ViTImageProcessor", {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}),
    "BEiT": ("BeitImageProcessor", {"size": {"height": 70, "width": 50}, "do_center_crop": True, "crop_size": 44}),
    "SigLIP": ("SiglipImageProcessor", {"size": {"height": 48, "width": 48}}),
    "MobileViT": ("MobileViTImageProcessor", {"size": {"shortest_edge": 60}, "crop_size": 56}),
    "EfficientNet": ("EfficientNetImageProcessor", {"rescale_offset": True}),
    "ViT, nearest": ("ViTImageProcessor", {"size": {"height": 33, "width": 57}, "resample": 0}),
    "CLIP, crop that pads": ("CLIPImageProcessor", {"size": {"shortest_edge": 40}, "crop_size": 56}),
    "SegFormer": ("SegformerImageProcessor", {"size": {"height": 33, "width": 57}}),
    "DPT": ("DPTImageProcessor", {"size": {"height": 64, "width": 80}, "do_pad": True, "size_divisor": 14}),
    "DINOv3, resized in floating point": ("DINOv3ViTImageProcessor", {}),
}


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8))


def worst(image: Any, module: nn.Module, library: Any) -> float:
    """The largest difference of normalised pixel values, over images of odd sizes."""
    errors = []
    for seed, size in enumerate(SIZES):
        picture = noise(size, seed)
        errors.append(float((module(image.pixels(picture)[None])[0] - library(picture)).abs().max()))
    return max(errors)


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_pixels_are_the_processors(family: str, tmp_path: Path) -> None:
    kind, settings = FAMILIES[family]
    getattr(transformers, kind)(**settings).save_pretrained(tmp_path)
    found = processor_input(str(tmp_path), 3)
    assert found is not None
    image, normalisation = found
    processor: Any = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    module = Normalised(nn.Identity(), normalisation.mean, normalisation.std)
    assert worst(image, module, lambda p: processor(p, return_tensors="pt")["pixel_values"][0]) < NORMALISED
    assert kind in image.transform and (normalisation.order == (2, 1, 0)) == (family == "MobileViT")
    # What the bound is worth: another mean is seen at once.
    other = Normalised(nn.Identity(), [m + 1e-4 for m in normalisation.mean], normalisation.std)
    assert worst(image, other, lambda p: processor(p, return_tensors="pt")["pixel_values"][0]) > NORMALISED


@pytest.mark.parametrize(
    "name",
    [
        "vit_tiny_patch16_224", "vit_small_patch14_dinov2", "deit3_small_patch16_224", "convnext_atto", "beit_base_patch16_224",
        "swin_tiny_patch4_window7_224", "mobilevit_xxs", "edgenext_xx_small", "efficientformer_l1", "eva02_tiny_patch14_224",
        "vit_base_patch16_siglip_224", "nextvit_small",
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", [None, "squash", "border"])
def test_timm_pixels_are_timms(name: str, mode: str | None) -> None:
    published: Any = timm.get_pretrained_cfg(name)
    config = resolve_data_config({}, pretrained_cfg=published.to_dict())
    config |= {"crop_mode": mode} if mode else {}
    library: Any = create_transform(**config)
    image = timm_input(config.pop("input_size"), **config)
    assert worst(image, Normalised(nn.Identity(), config["mean"], config["std"]), library) < NORMALISED


def test_a_processor_that_mixes_channels_is_refused() -> None:
    def greyscale(image: Image.Image, return_tensors: str) -> dict[str, torch.Tensor]:
        grey = torch.from_numpy(np.array(image.convert("L"), np.float32))
        return {"pixel_values": grey.expand(1, 3, *grey.shape)}

    with pytest.raises(DeployError, match="does not normalise each channel"):
        from_processor(greyscale, 3, "hf:x")


GREY = ((np.mgrid[0:6, 0:7][0] * 40 + np.mgrid[0:6, 0:7][1]) % 256).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("a.png", Image.fromarray(GREY)),
        ("a.png", Image.fromarray(GREY.astype(np.uint16) * 257)),
        ("a.tif", Image.fromarray(GREY.astype(np.uint16) * 257)),
        ("a.tif", Image.fromarray((GREY / 255).astype(np.float32))),
        ("a.png", Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(255 - GREY)])),
        ("a.png", Image.merge("RGBA", [Image.fromarray(GREY)] * 3 + [Image.fromarray(255 - GREY)])),
        ("a.gif", Image.fromarray(GREY).convert("P")),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_modes_give_the_same_grey(tmp_path: Path, name: str, image: Image.Image, channels: int) -> None:
    image.save(tmp_path / name)
    got = np.asarray(open_image(tmp_path / name, channels))
    assert np.array_equal(got, GREY if channels == 1 else np.stack([GREY] * 3, -1))


def test_black_and_white_cmyk_and_rotation(tmp_path: Path) -> None:
    Image.fromarray(GREY > 99).save(tmp_path / "1.png")
    assert np.array_equal(np.asarray(open_image(tmp_path / "1.png", 1)), 255 * (GREY > 99))
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "c.tif")
    assert np.asarray(open_image(tmp_path / "c.tif", 3))[0, 0].tolist() == [255, 0, 0]
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind, name in ((np.uint8, "r8.png"), (np.uint16, "r16.png")):
        scaled = GREY.astype(kind) * (257 if kind is np.uint16 else 1)
        Image.fromarray(scaled).save(tmp_path / name, exif=exif)
        assert np.array_equal(np.asarray(open_image(tmp_path / name, 1)), np.rot90(GREY, -1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_cameras_mean_it(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = {1: GREY, 2: GREY[:, ::-1], 3: GREY[::-1, ::-1], 4: GREY[::-1], 5: GREY.T, 6: np.rot90(GREY, -1)}
    upright |= {7: GREY[::-1, ::-1].T, 8: np.rot90(GREY)}
    Image.fromarray(GREY).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(np.asarray(open_image(tmp_path / "a.png", 1)), upright[orientation])


@pytest.mark.parametrize("values", [np.float32(GREY), np.full((4, 4), np.nan, np.float32), np.int32(GREY) * 1000])
def test_images_without_a_stated_white_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(DeployError, match=r"a\.tif: an image of mode .* what white is"):
        open_image(tmp_path / "a.tif", 3)
