"""Model specifications: `demo`, `timm:NAME`, `hf:NAME_OR_DIR`, `path/file.py:callable`."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from deploy.errors import DeployError, first_line
from deploy.sources.loaded import ImageInput, InputSpec, LoadedModel, TextInput
from deploy.sources.named import DEMO, RANDOM, check_belongings, check_source, no_windows, unknown_form
from deploy.sources.weights import put_weights, read_weights

__all__ = ["ImageInput", "InputSpec", "LoadedModel", "TextInput", "checked", "load_model"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def load_model(
    spec: str = DEMO, weights: Path | str | None = None, seed: int = 0, *, trusted: bool = True,
    arguments: Mapping[str, Any] = MappingProxyType({}), image: tuple[int, int, int] | None = None,
) -> LoadedModel:  # fmt: skip
    """Build the model that ``spec`` names, in evaluation mode on the CPU in float32, with its preprocessing.

    Args:
        spec: demo, timm:NAME, hf:NAME_OR_DIR or path/file.py:callable.
        weights: a file, `random` for initialisation from `seed`, or None for the weights that come with the model.
        seed: of a random initialisation.
        trusted: False if ``spec`` was read from a folder that somebody else may have made: a Python file that it names
            is then not imported.
        arguments: of the model, by name: of timm.create_model, of a transformers configuration, or of a Python file's
            callable.
        image: (channels, height, width) of the images that a Python file's model takes.

    Raises:
        DeployError: the specification, a file, an argument or the weights cannot be used; the message names the remedy.
    """
    check_belongings(spec, weights, arguments, image)
    chosen = weights if weights is None else RANDOM if str(weights) == RANDOM else Path(weights)
    if spec == DEMO:
        loaded = _demo()
    elif spec.startswith("timm:"):
        from deploy.sources import timm_models

        loaded = timm_models.load(spec.removeprefix("timm:"), chosen, seed, arguments)
    elif spec.startswith("hf:"):
        from deploy.sources import huggingface

        loaded = huggingface.load(spec.removeprefix("hf:"), chosen, seed, arguments)
    elif ".py:" in spec:
        if not trusted:
            raise DeployError(
                f"{spec}: the folder's report names this Python file as its model, and loading it would run its code; look at "
                "it, then give --trust, or name the model yourself by --model path/file.py:callable"
            )
        loaded = _from_file(spec, chosen, seed, arguments, image)
    else:
        raise unknown_form(spec)
    return checked(loaded)


def with_window(model: LoadedModel, tokens: int | None) -> LoadedModel:
    """The language model with plain text cut into windows of ``tokens``; None leaves the model as it is.

    Raises:
        DeployError: the model is no language model, or has fewer positions than ``tokens``.
    """
    if tokens is None:
        return model
    if model.text is None or not model.text.causal:
        raise no_windows(model.spec, tokens)
    if model.text.max_tokens is not None and tokens > model.text.max_tokens:
        raise DeployError(
            f"--tokens {tokens}: {model.spec} has {model.text.max_tokens} positions; give at most as many"
        )
    return replace(model, text=replace(model.text, window=tokens))


def checked(loaded: LoadedModel) -> LoadedModel:
    """Put the model into evaluation mode without gradients, and return it.

    Raises:
        DeployError: a floating-point tensor of the model is not float32, or a tensor is on the meta device, without
            values.
    """
    loaded.module.eval().requires_grad_(False)
    for name, tensor in loaded.module.state_dict().items():
        if tensor.is_meta:
            raise DeployError(
                f"{loaded.spec}: {name} is on the device meta, which holds no values; load its weights first"
            )
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise DeployError(
                f"{loaded.spec}: {name} is {tensor.dtype}; models are taken in float32 (call .float() on it)"
            )
    return loaded


def check_kind(module: nn.Module, spec: str) -> None:
    """Raise DeployError for a TorchScript module, or a wrapper (torch.compile, DataParallel) around the model."""
    kind = type(module).__name__
    if isinstance(module, torch.jit.ScriptModule):
        raise DeployError(f"{spec}: is compiled by TorchScript; give the module that it was made of")
    inner = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}.get(kind)
    if inner is not None:
        raise DeployError(f"{spec}: is a wrapper ({kind}) around the model; give the model itself, its .{inner}")


def _demo() -> LoadedModel:
    from deploy import demo
    from deploy.sources.preprocessing import timm_input

    spec = InputSpec("float32", (1, 28, 28))
    names = tuple(demo.CLASSES)
    return LoadedModel(
        "demo",
        DEMO,
        demo.load_model(),
        {"x": spec},
        classes=len(names),
        class_names=names,
        image=timm_input((1, 28, 28), interpolation="bicubic", crop_pct=1.0),
    )


def _from_file(
    spec: str, weights: Path | str | None, seed: int, arguments: Mapping[str, Any], image: tuple[int, int, int] | None
) -> LoadedModel:
    """Call the callable that ``spec`` names in the user's Python file; the module that it returns is the model."""
    place, _, name = spec.rpartition(":")
    path = Path(place)
    build = _attribute(path, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            module = build(**arguments)
        except DeployError:
            raise
        except (Exception, SystemExit) as error:
            raise DeployError(f"{spec}: the call raised {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(module, nn.Module):
        raise DeployError(f"{spec}: returned {type(module).__name__}; it must return a torch.nn.Module")
    check_kind(module, spec)
    if isinstance(weights, Path):
        put_weights(module, read_weights(weights), weights, spec)
    parameters = inspect.signature(module.forward).parameters.values()
    required = [p.name for p in parameters if p.default is p.empty and p.kind in _POSITIONAL]
    if not required:
        raise DeployError(f"{spec}: forward({_names(list(parameters))}) has no required argument to give data to")
    inputs = {name: InputSpec() for name in required}
    if image is None:
        return LoadedModel(f"{path.stem}.{name}", spec, module, inputs, weights=weights, seed=seed)
    if len(required) != 1:
        raise DeployError(
            f"--image-size: {spec} takes {len(required)} arguments ({', '.join(required)}), not one image"
        )
    from deploy.sources.preprocessing import timm_input

    taken = timm_input(image, interpolation="bicubic", crop_pct=1.0)
    inputs = {required[0]: InputSpec("float32", image)}
    return LoadedModel(f"{path.stem}.{name}", spec, module, inputs, image=taken, weights=weights, seed=seed)


def _names(parameters: Sequence[inspect.Parameter]) -> str:
    return ", ".join(str(parameter) for parameter in parameters)


def _attribute(path: Path, name: str) -> Callable[[], Any]:
    check_source(path, name)
    module_spec = importlib.util.spec_from_file_location(f"_deploy_model_{path.stem}", path)
    if module_spec is None or module_spec.loader is None:
        raise DeployError(f"{path}: cannot be imported as a Python file")
    module = importlib.util.module_from_spec(module_spec)
    # Dataclasses and pickling in the file look the module up in sys.modules; its folder is importable, as for a script.
    sys.modules[module_spec.name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        module_spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[module_spec.name]
        raise DeployError(f"{path}: importing it raised {type(error).__name__}: {first_line(error)}") from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
    found = getattr(module, name, None)
    if not callable(found):
        public = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise DeployError(f"{path}: has no callable `{name}`; it has {', '.join(public) or 'none'}")
    return found
