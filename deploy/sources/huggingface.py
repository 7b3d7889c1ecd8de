"""Models from transformers: a hub name, a local folder with config.json and model.safetensors, or a GGUF file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import torch
import transformers
from PIL import Image
from torch import nn
from transformers.models.auto import modeling_auto

from deploy.errors import DeployError, first_line
from deploy.sources import gguf
from deploy.sources.loaded import ImageInput, InputSpec, LoadedModel, TextInput
from deploy.sources.named import RANDOM
from deploy.sources.preprocessing import Normalisation, processor_input
from deploy.sources.several import several, writer
from deploy.sources.sounds import extractor_input
from deploy.sources.weights import put_weights, read_weights
from deploy.sources.wrappers import PREFIX, LanguageModel, Normalised, OneInput, TextModel

CAUSAL = "next token"
"""Stands in place of an output field's name for language models, which are wrapped by :func:`language_model`."""

# Ending of the architecture named in the configuration, the class that builds it, and the output field to keep.
_HEADS: tuple[tuple[str, Any, str], ...] = (
    ("ForImageClassification", transformers.AutoModelForImageClassification, "logits"),
    ("ForImageClassificationWithTeacher", transformers.AutoModelForImageClassification, "logits"),
    ("ForSequenceClassification", transformers.AutoModelForSequenceClassification, "logits"),
    ("ForAudioClassification", transformers.AutoModelForAudioClassification, "logits"),
    ("ForCTC", transformers.AutoModelForCTC, "logits"),
    ("ForCausalLM", transformers.AutoModelForCausalLM, CAUSAL),
    ("LMHeadModel", transformers.AutoModelForCausalLM, CAUSAL),
)


SERIES = {
    "ForPrediction": "prediction_outputs",
    "ForRegression": "regression_outputs",
    "ForTimeSeriesClassification": "prediction_outputs",
    "ForClassification": "prediction_logits",
}
"""Endings of time series architectures (PatchTST, PatchTSMixer), which no auto class builds: output field to keep."""

LONGEST = 600
"""Longest recording that a network may take, in seconds."""
SOUND, TIMES = ("input_values", "input_features"), "past_values"
"""Main arguments of models of sound, which have a feature extractor, and of models of time series."""

LENGTH = "seconds"
"""Name in --model-args for the seconds of a recording that a model of waveforms takes; not a configuration setting."""
HUB = ("revision", "subfolder")
"""Names in --model-args that say where on the hub a model is; other names change its configuration."""


def load(
    name: str, weights: Path | str | None, seed: int, arguments: Mapping[str, Any] = MappingProxyType({})
) -> LoadedModel:
    """Build a transformers model from a local folder, a hub name or a GGUF file, with its preprocessing.

    Args:
        name: folder, hub name, or path that ends in .gguf.
        weights: a weights file, ``random``, or None for the weights saved with the model.
        seed: of a random initialisation.
        arguments: settings of the configuration, ``revision`` and ``subfolder`` on the hub, and ``seconds`` of
            waveforms.

    Raises:
        DeployError: the configuration, weights or preprocessing cannot be read, or the model takes no supported input.
    """
    spec = f"hf:{name}"
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if name.endswith(".gguf"):
        if arguments:
            raise DeployError(f"{spec}: a GGUF file takes no --model-args; leave the option out")
        path = Path(name).expanduser()
        module = gguf.read_module(path, spec, weights)
        return language_model(module, path.stem, spec, str(path.parent), None, seed, path.name)
    place = {key: value for key, value in arguments.items() if key in HUB}
    settings = {key: value for key, value in arguments.items() if key != LENGTH}
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        folder = Path(name).expanduser()
        held = folder / str(place.get("subfolder", ""))
        if not (held / "config.json").is_file():
            raise DeployError(f"{spec}: {held}/config.json not found; give a folder that save_pretrained wrote")
        name = str(folder)
    try:
        config: Any = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False, **settings)
    except Exception as error:  # a damaged configuration raises many types of exception
        raise DeployError(
            f"{spec}: its configuration cannot be read ({first_line(error)}); give a folder that "
            "save_pretrained wrote, or a hub name that is reachable"
        ) from error
    builder, output = _head(config)
    if output == CAUSAL:
        config.use_cache = False
    if weights is None:
        model = _pretrained(builder, name, spec, output, config, place)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            make = getattr(builder, "from_config", None) or builder._from_config  # auto classes, and classes of models
            model = cast(nn.Module, make(config))
        if isinstance(weights, Path):
            put_weights(model, read_weights(weights), weights, spec)
    argument = str(getattr(model, "main_input_name", ""))
    if LENGTH in arguments and argument not in SOUND:
        raise DeployError(f"{spec}: {type(model).__name__} takes no waveforms; leave {LENGTH} out of --model-args")
    if output == CAUSAL and argument == "input_ids":
        return language_model(model, Path(name).name, spec, name, weights, seed)
    seconds = _seconds(arguments.get(LENGTH), spec)
    return replace(_wrapped(model, config, name, spec, argument, output, seconds), weights=weights, seed=seed)


def _wrapped(
    model: nn.Module, config: Any, name: str, spec: str, argument: str, output: str, seconds: float | None
) -> LoadedModel:
    """Wrap the model so that it returns one tensor, and describe its inputs, classes and preprocessing."""
    loaded = partial(LoadedModel, Path(name).name, spec, prefix=PREFIX)
    if (found := several(model, config, output)) is not None:
        return loaded(*found)
    classes = int(config.num_labels) if output == "logits" else None
    scored = partial(loaded, classes=classes, class_names=_class_names(config, classes))
    if argument == "pixel_values":
        image, normalisation = _image(config, name)
        module = Normalised(model, normalisation.mean, normalisation.std, output)
        return scored(module, {"x": InputSpec("float32", image.size, (argument,))}, image=image)
    if argument in SOUND:
        sound = extractor_input(name, argument, seconds)
        letters = type(model).__name__.endswith("ForCTC")  # scores letters in each frame, not classes of a recording
        inputs = {"x": InputSpec("float32", sound.size, (argument,))}
        return (loaded if letters else scored)(OneInput(model, argument, output), inputs, sound=sound)
    if argument == TIMES:
        inputs = {"x": InputSpec("float32", (config.context_length, config.num_input_channels), (TIMES,))}
        targets = int(config.num_targets) if output == SERIES["ForClassification"] else None
        return loaded(OneInput(model, TIMES, output), inputs, classes=targets)
    if argument == "input_ids":
        inputs = {"input_ids": InputSpec("int64", (None,)), "attention_mask": InputSpec("int64", (None,))}
        text = TextInput(name, getattr(config, "max_position_embeddings", None), getattr(config, "vocab_size", None))
        return scored(TextModel(model, output), inputs, text=text)
    raise DeployError(
        f"{spec}: {type(model).__name__} takes neither images, sounds, time series nor text; wrap it in "
        "path/file.py:callable"
    )


def language_model(
    model: nn.Module, plain_name: str, spec: str, tokenizer: str, weights: Path | str | None, seed: int, gguf: str = ""
) -> LoadedModel:
    """Wrap a causal language model. Token numbers are its only input, as no token depends on tokens to its right.

    ``tokenizer``: folder or hub name of the tokenizer; ``gguf``: the file in that folder that holds it, or empty.
    """
    config: Any = model.config
    config = config.get_text_config()
    text = TextInput(tokenizer, getattr(config, "max_position_embeddings", None), config.vocab_size, True, gguf=gguf)
    inputs = {"input_ids": InputSpec("int64", (None,))}
    return LoadedModel(plain_name, spec, LanguageModel(model), inputs, PREFIX, None, (), None, text, weights, seed)


def _head(config: Any) -> tuple[Any, str]:
    given = config.architectures if isinstance(config.architectures, list) else []
    for architecture in (name for name in given if isinstance(name, str)):
        if architecture in modeling_auto.MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES.values():
            return (
                transformers.AutoModelForAudioClassification,
                "logits",
            )  # Wav2Vec2ForSequenceClassification and the like
        if hasattr(config, "context_length") and hasattr(config, "num_input_channels"):
            ending = next((end for end in SERIES if architecture.endswith(end)), None)
            if ending is not None and isinstance(found := getattr(transformers, architecture, None), type):
                return found, SERIES[ending]
        for ending, builder, output in _HEADS:
            if architecture.endswith(ending):
                return builder, output
        if (builder := writer(architecture)) is not None:
            return builder, "logits"
    return transformers.AutoModel, "last_hidden_state"


def _seconds(given: Any, spec: str) -> float | None:
    if given is None or (isinstance(given, (int, float)) and not isinstance(given, bool) and 0 < given <= LONGEST):
        return None if given is None else float(given)
    raise DeployError(f"{spec}: seconds={given!r} in --model-args; give a number above 0 and at most {LONGEST}")


def _pretrained(builder: Any, name: str, spec: str, output: str, config: Any, place: Mapping[str, Any]) -> nn.Module:
    remedy = f"give --weights FILE, or --weights {RANDOM} to size the network without training"
    try:
        # An untrained pooler changes nothing in last_hidden_state, any other missing tensor does.
        model, info = builder.from_pretrained(
            name, config=config, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **place
        )  # fmt: skip
    except Exception as error:  # the reader raises many types of exception on a damaged file
        raise DeployError(f"{spec}: no readable model.safetensors ({first_line(error)}); {remedy}") from error
    lost = [*info["missing_keys"], *(str(key) for key in info["mismatched_keys"])]
    lost = [key for key in lost if output == "logits" or not key.startswith("pooler.")]
    if lost:
        raise DeployError(
            f"{spec}: {len(lost)} tensors are not in its model.safetensors ({', '.join(lost[:3])}); {remedy}"
        )
    return cast(nn.Module, model)


def _class_names(config: Any, classes: int | None) -> tuple[str, ...]:
    """Class names from the configuration; empty for the LABEL_0, LABEL_1, ... that transformers makes up."""
    names: Mapping[int, str] = config.id2label or {}
    if classes is None or sorted(names) != list(range(classes)):
        return ()
    ordered = tuple(str(names[index]) for index in range(classes))
    return () if ordered[0] == "LABEL_0" else ordered


def _image(config: Any, name: str) -> tuple[ImageInput, Normalisation]:
    """The image preprocessing saved with the model.

    If none is saved, arrays are normalised by transformers' usual mean and standard deviation of 0.5, and reading an
    image file raises DeployError.
    """
    channels = int(getattr(config, "num_channels", 3))
    found = processor_input(name, channels)
    if found is not None:
        return found
    side = getattr(config, "image_size", None)
    height, width = side if isinstance(side, (list, tuple)) else (side, side)
    if height is None or width is None:
        raise DeployError(
            f"hf:{name}: its preprocessing is not saved with it; call save_pretrained of its image processor"
        )

    def none_saved(image: Image.Image) -> torch.Tensor:
        raise DeployError(
            f"hf:{name}: has no preprocessor_config.json, so nobody knows how it wants images resized; call save_pretrained "
            "of its image processor into its folder, or give an .npz of raw pixels"
        )

    half = (0.5,) * channels
    words = (
        "none saved with the model: raw pixels in [0, 1], normalised by transformers' usual mean 0.5 and deviation 0.5"
    )
    return ImageInput((channels, height, width), none_saved, words), Normalisation(half, half, ())
