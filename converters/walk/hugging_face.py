"""Every architecture of transformers, as small as its configuration lets it be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import transformers
from transformers.models.auto import modeling_auto

from converters.walk import LeftOut, Model, Subject

TASKS = ("IMAGE_CLASSIFICATION", "CAUSAL_LM", "SEQUENCE_CLASSIFICATION", "MASKED_LM")
"""What a model of an architecture does; the first of them that it has is walked, or else the architecture without a head."""
SAMPLES, TOKENS, WORDS = 2, 9, 99
MOST = 100_000_000
"""Parameters that a model may have whose configuration was made small."""

SMALL: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "embedding_size", "word_embed_proj_dim"), 32),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner", "d_ff", "encoder_ffn_dim", "decoder_ffn_dim", "hidden_dim",
                     "ffn_hidden_size", "moe_intermediate_size", "shared_expert_intermediate_size"), 64),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads",
                     "decoder_attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads"), 2),
    **dict.fromkeys(("head_dim", "d_kv"), 8),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 64),
    "vocab_size": WORDS, "num_labels": 5, "use_cache": False,
}  # fmt: skip
"""Values of the attributes by which configurations say how large a model is."""
WIDTHS, DEPTHS = ("hidden_sizes", "embed_dims"), ("depths", "layer_depths")
"""Attributes that have one number for each stage."""
IMAGES = (32, 64, 128, 224, 256)


def subjects() -> Iterator[Subject]:
    """One for every architecture that has a model of its own."""
    for kind, names in modeling_auto.MODEL_MAPPING_NAMES.items():
        first = names if isinstance(names, str) else names[0]
        name = next((found for task in TASKS if (found := _head(task, kind))), first)
        yield Subject(f"transformers {kind}", lambda kind=kind, name=name: built(kind, name))


def _head(task: str, kind: str) -> str | None:
    name = getattr(modeling_auto, f"MODEL_FOR_{task}_MAPPING_NAMES").get(kind)
    return name if name is None or isinstance(name, str) else name[0]


class OneTensor(torch.nn.Module):
    """A model of transformers that takes one tensor and returns one: its logits, its last hidden state, or what comes first."""

    def __init__(self, model: torch.nn.Module, argument: str) -> None:
        super().__init__()
        self.model, self.argument = model, argument

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The one tensor of interest."""
        result = self.model(**{self.argument: x})
        for name in ("logits", "last_hidden_state"):
            if getattr(result, name, None) is not None:
                return getattr(result, name)
        return result[0]


def built(kind: str, name: str) -> tuple[str, Model]:
    """A model of an architecture with random weights, small where its configuration allows it, and what it takes.

    Raises:
        LeftOut: it cannot be built from its configuration alone, or takes neither pixels nor token ids alone.
    """
    reason = "it cannot be built"
    for lists in (True, False):
        for size in IMAGES:
            try:
                model = _model(kind, name, size, lists)
                argument = getattr(model, "main_input_name", "input_ids")
                if argument not in ("pixel_values", "input_ids"):
                    raise LeftOut(f"{name} takes {argument}")
                whole = OneTensor(model, argument).eval()
                images = argument == "pixel_values"
                samples = _images(model.config, size) if images else torch.randint(5, 50, (SAMPLES, TOKENS))
                with torch.no_grad():
                    if not isinstance(whole(samples[:1]), torch.Tensor):
                        raise LeftOut(f"{name} does not return a tensor")
                return f"{name}, {size} pixels" if images else name, (whole, samples)
            except LeftOut:
                raise
            except Exception as error:  # a size that does not fit the rest says so in any way
                reason = f"{name} cannot be run: {type(error).__name__}: {error}"
    raise LeftOut(reason)


def _model(kind: str, name: str, size: int, lists: bool) -> Any:
    config = transformers.AutoConfig.for_model(kind)
    shrink(config, size, lists)
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in getattr(transformers, name)(config).parameters())
    if count > MOST:
        raise LeftOut(f"{name} has {count:,} parameters where its known attributes are small")
    torch.manual_seed(0)
    return getattr(transformers, name)(config)


def shrink(config: Any, size: int, lists: bool) -> None:
    """Make a configuration small in place, and those inside it: known attributes, for images of ``size`` pixels."""
    for attribute, value in list(vars(config).items()):
        if isinstance(value, transformers.PretrainedConfig):
            shrink(value, size, lists)
        elif attribute in SMALL and isinstance(value, int):
            setattr(config, attribute, type(value)(min(value, SMALL[attribute])))
        elif attribute == "image_size":
            setattr(config, attribute, size if isinstance(value, int) else [size] * len(value))
        elif attribute.endswith("_token_id") and isinstance(value, int) and value >= WORDS:
            setattr(config, attribute, 0)
        elif lists and attribute in WIDTHS and isinstance(value, (list, tuple)):
            setattr(config, attribute, [min(n, 16 * (1 + i)) for i, n in enumerate(value)])
        elif lists and attribute in DEPTHS and isinstance(value, (list, tuple)):
            setattr(config, attribute, [1] * len(value))
        elif attribute in ("layer_types", "layers_block_type", "mlp_layer_types") and isinstance(value, list):
            setattr(config, attribute, value[: SMALL["num_hidden_layers"]])


def _images(config: Any, size: int) -> torch.Tensor:
    vision = getattr(config, "vision_config", config)
    channels = getattr(vision, "num_channels", getattr(vision, "in_channels", 3))
    return torch.rand(SAMPLES, channels if isinstance(channels, int) else 3, size, size)
