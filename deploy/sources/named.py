"""Checks of the models, weights files and data that a user names, made before any import that takes seconds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.errors import DeployError, first_line
from deploy.sources.tables import SUFFIXES as TABLES
from deploy.sources.timm_names import perhaps_known, registered, unknown

DEMO = "demo"
FORMS = "demo, timm:NAME, hf:NAME_OR_DIR or path/file.py:callable"
RANDOM = "random"
"""The value of --weights that asks for seeded random initialisation, to size a network."""

PYTORCH_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".pth.tar", ".pt.tar")
KEY = "::"
"""Separates a checkpoint's file from the name of one of its tables of tensors: FILE::state_dict_ema."""

TEXT = ".txt"
PATHS = (".", "/", "~")
"""Beginnings of a name after ``hf:`` that is a local path, not a name on the hub."""


def check_model(spec: str) -> None:
    """Raise DeployError for a malformed model specification, or one whose file, folder or timm model does not exist.

    A specification that passes may still be refused when the model is loaded.
    """
    place, colon, function = spec.rpartition(":")
    if spec.startswith("timm:"):
        if not perhaps_known(name := spec.removeprefix("timm:")):
            raise unknown(name)
    elif spec.startswith("hf:"):
        _check_folder(spec)
    elif colon and place.endswith(".py"):
        check_source(Path(place), function)
    elif spec != DEMO:
        raise unknown_form(spec)


def check_belongings(
    spec: str, weights: Path | str | None, arguments: Mapping[str, Any], image: tuple[int, int, int] | None,
    tokens: int | None = None,
) -> None:  # fmt: skip
    """Raise DeployError for weights, arguments, image sizes or window lengths that this kind of model does not take."""
    if tokens is not None and (spec == DEMO or spec.startswith("timm:")):
        raise no_windows(spec, tokens)
    if image is not None and ".py:" not in spec:
        raise DeployError(
            f"--image-size: {spec} says itself how large its images are; it is for models in Python files"
        )
    if spec == DEMO and arguments:
        raise DeployError("--model-args: the demo model takes none; leave the option out or give --model")
    if spec == DEMO and weights is not None:
        raise DeployError("--weights: the demo model comes with its weights; leave the option out or give --model")


def no_windows(spec: str, tokens: int) -> DeployError:
    """The error for --tokens given to a model that is no language model and so has no windows."""
    return DeployError(f"--tokens {tokens}: {spec} is no language model, whose text has windows; leave it out")


def check_source(file: Path, function: str) -> None:
    """Raise DeployError if a Python file does not exist, or the name of the function occurs nowhere in its text."""
    if not file.is_file():
        raise DeployError(
            f"{file}: no such file; --model path/file.py:callable names a Python file and a function in it"
        )
    source = file.read_text(encoding="utf-8", errors="replace")
    if "import *" not in source and not re.search(rf"\b{re.escape(function)}\b", source):
        public = [name for name in re.findall(r"^(?:def|class) (\w+)", source, re.MULTILINE) if name[0] != "_"]
        raise DeployError(f"{file}: has no callable `{function}`; it has {', '.join(public) or 'none'}")


def _check_folder(spec: str) -> None:
    """Raise DeployError if a local path cannot be a saved transformers model; subfolders are left to the loader."""
    name = spec.removeprefix("hf:")
    folder = Path(name).expanduser()
    if name.startswith(PATHS) and not folder.exists():
        raise DeployError(f"{spec}: no such file or folder; give a folder that save_pretrained wrote, or a GGUF file")
    if folder.is_dir() and not any(entry.name == "config.json" or entry.is_dir() for entry in folder.iterdir()):
        raise DeployError(f"{spec}: {folder}/config.json not found; give a folder that save_pretrained wrote")


def unknown_form(spec: str) -> DeployError:
    """The error for a model specification of unknown form, with the specification that was probably meant."""
    if spec and (Path(spec).expanduser() / "config.json").is_file():
        meant = f"hf:{spec}"
    elif spec.endswith(".py"):
        meant = f"{spec}:FUNCTION"
    else:
        meant = f"timm:{spec}" if spec.partition(".")[0] in registered() else ""
    near = f"; did you mean {meant}?" if meant else ""
    return DeployError(f"--model {spec!r}: not a model specification; give {FORMS}{near}")


def check_weights(given: Path | str | None) -> None:
    """Raise DeployError for a weights file that is missing, of unknown ending, or of unreadable safetensors header."""
    if given is None or str(given) == RANDOM:
        return
    file = Path(str(given).partition(KEY)[0])
    if not file.is_file():
        raise DeployError(f"{file}: no such weights file; give a .safetensors, .pt or .pth file, or `{RANDOM}`")
    if file.suffix != ".safetensors" and not file.name.endswith(PYTORCH_SUFFIXES):
        known = ", ".join((".safetensors", *PYTORCH_SUFFIXES))
        raise DeployError(f"{file}: weights files end in one of {known}, not {file.suffix or 'nothing'!r}")
    if file.suffix == ".safetensors":
        check_header(file)


def check_header(file: Path) -> None:
    """Raise DeployError for a safetensors file whose header cannot be read."""
    from safetensors import safe_open

    try:
        with safe_open(file, framework="np"):  # reads no tensor
            pass
    except Exception as error:  # the reader raises many types of exception on a damaged header
        raise unreadable(file, error) from error


def unreadable(file: Path, error: Exception) -> DeployError:
    """The error for a damaged safetensors file."""
    return DeployError(f"{file}: not a readable safetensors file ({first_line(error)})")


def check_file_of_data(path: Path | None, spec: str = "") -> None:
    """Raise DeployError for data of an unknown kind, an empty folder, or texts if the model ``spec`` takes images."""
    if path is None:
        return
    kinds, place = (".npz", TEXT, *TABLES), path.expanduser()
    if place.is_dir() and all(entry.name.startswith(".") for entry in place.iterdir()):
        raise DeployError(f"{path}: an empty folder; give one subfolder per class with images or recordings")
    if place.is_file() and path.suffix in kinds[1:] and (spec == DEMO or spec.startswith("timm:")):
        raise DeployError(f"{path}: texts, but {spec} has no tokenizer; give an .npz or an image folder")
    if place.is_file() and path.suffix not in kinds:
        # The message names no option, as --calib alone also gives the evaluation data.
        raise DeployError(f"{path}: not a kind of data known here; give one of {', '.join(kinds)}, or an image folder")


def check_given(spec: str, option: str, path: Path | None) -> None:
    """Raise DeployError if ``option`` gives no data for a model other than the demo, which alone comes with data."""
    if spec != DEMO and path is None:
        raise DeployError(f"{option} missing: {spec} has no data with it; give an .npz, an image folder or text table")
