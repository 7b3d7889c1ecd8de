"""Language models from GGUF files, whose weights transformers converts to float32."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from deploy.errors import DeployError, first_line

MAGIC = b"GGUF"


def read_module(path: Path, spec: str, weights: Path | str | None) -> nn.Module:
    """Load the causal language model of a GGUF file in float32; the file holds its tokenizer too.

    Args:
        path: the file.
        spec: the model's specification, for messages.
        weights: has to be None, as the file holds the weights.

    Raises:
        DeployError: the file is missing, is no GGUF file, or holds an architecture that transformers does not read; the
            packages that read it are missing; or ``weights`` are given.
    """
    import transformers

    check_readable(path, spec)
    if weights is not None:
        raise DeployError(f"{spec}: a GGUF file holds its weights; leave out --weights")
    try:
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(
            str(path.parent), gguf_file=path.name, dtype=torch.float32, trust_remote_code=False
        )
    except Exception as error:  # the reader raises many types of exception on a damaged file or a foreign architecture
        raise DeployError(
            f"{spec}: transformers cannot read this GGUF file ({first_line(error)}); take a folder with model.safetensors"
        ) from error
    return cast(nn.Module, model)


def check_readable(path: Path, spec: str) -> None:
    """Raise DeployError, before any slow import, if a file is no GGUF file or the packages to read it are missing."""
    if not path.is_file():
        raise DeployError(f"{spec}: no such file")
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            raise DeployError(f"{spec}: does not begin as a GGUF file does; it is damaged, or of another kind")
    missing = [name for name in ("gguf", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise DeployError(f"{spec}: reading GGUF files needs {' and '.join(missing)}: pip install 'spikedeploy[llm]'")
