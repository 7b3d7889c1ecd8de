"""Language models from GGUF files, whose weights transformers turns back into float32."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from deploy.errors import DeployError, first_line

MAGIC = b"GGUF"


def read_module(path: Path, spec: str, weights: Path | str | None) -> nn.Module:
    """The causal language model of transformers in a GGUF file, which holds its tokenizer too.

    Raises:
        DeployError: the file is missing, is no GGUF file, holds an architecture that transformers does not read, or the
            packages that read it are missing.
    """
    import transformers

    check_readable(path, spec)
    if weights is not None:
        raise DeployError(f"{spec}: a GGUF file holds its weights; leave out --weights")
    try:
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(
            str(path.parent), gguf_file=path.name, dtype=torch.float32, trust_remote_code=False
        )
    except Exception as error:  # whatever a damaged file, or a foreign architecture, makes the reader stumble over
        raise DeployError(
            f"{spec}: transformers cannot read this GGUF file ({first_line(error)}); take a folder with model.safetensors"
        ) from error
    return cast(nn.Module, model)


def check_readable(path: Path, spec: str) -> None:
    """Raises DeployError where a GGUF file cannot be read at all, before anything slow is imported."""
    if not path.is_file():
        raise DeployError(f"{spec}: no such file")
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            raise DeployError(f"{spec}: does not begin as a GGUF file does; it is damaged, or of another kind")
    missing = [name for name in ("gguf", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise DeployError(f"{spec}: reading GGUF files needs {' and '.join(missing)}: pip install 'spikedeploy[llm]'")
