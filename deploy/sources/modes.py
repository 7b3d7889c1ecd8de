"""Conversion of image files of all Pillow modes to 8-bit grey or RGB, one rule for each mode (docs/data.md, Images)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from deploy.errors import DeployError

WHITE_16 = 65535
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
PLAIN = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")
MODES = {1: "L", 3: "RGB"}


def open_image(file: Path, channels: int) -> Image.Image:
    """Read the first frame of an image file, upright by its EXIF orientation, in 8 bits: mode L (one channel) or RGB.

    Alpha is dropped, as transformers and timm do; 16-bit grey is divided by 257; floating-point grey has to lie in [0, 1].

    Raises:
        DeployError: the file cannot be decoded, its mode does not define which value is white, or ``channels`` is
            neither 1 nor 3.
    """
    if channels not in MODES:
        raise DeployError(f"{file.parent}: images have 1 or 3 channels, the model takes {channels}; give an .npz")
    try:
        with Image.open(file) as opened:
            return ImageOps.exif_transpose(_eight_bits(opened, file)).convert(MODES[channels])
    except DeployError:
        raise
    except Exception as error:  # decoders raise many types of exception on damaged files
        raise DeployError(f"{file}: not a readable image; repair or remove it") from error


def _eight_bits(image: Image.Image, file: Path) -> Image.Image:
    if image.mode in PLAIN:
        image.load()
        return image
    if image.mode in SIXTEEN_BITS or (image.mode == "I" and image.format == "PPM"):  # Pillow scales PPM to 16 bits
        return _grey(np.asarray(image, np.float64) / WHITE_16, image)
    values = np.asarray(image)
    if image.mode == "F" and np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1:
        return _grey(values.astype(np.float64), image)
    raise DeployError(
        f"{file}: an image of mode {image.mode} with values from {values.min():.6g} to {values.max():.6g}, of which nobody "
        "says what white is; save it with 8 or 16 bits, or as floating point in [0, 1]"
    )


def _grey(values: np.ndarray, image: Image.Image) -> Image.Image:
    """An image of mode L from values in [0, 1], with the EXIF orientation of ``image``."""
    grey = Image.fromarray(np.rint(255 * values).astype(np.uint8))
    grey.info = dict(image.info)
    if (exif := image.getexif()).get(0x0112):
        grey.info["exif"] = exif.tobytes()
    return grey
