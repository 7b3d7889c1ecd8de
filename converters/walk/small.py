"""Configurations of transformers made small: the attributes that name widths, depths and counts, and small values."""

from __future__ import annotations

from typing import Any

import transformers

TOKENS, WORDS = 9, 99

WIDTHS: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "embedding_size", "word_embed_proj_dim", "pooler_hidden_size",
                     "emb_dim", "embed_dim", "entity_emb_size", "projection_dim", "q_lora_rank", "kv_lora_rank"), 32),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner", "d_ff", "encoder_ffn_dim", "decoder_ffn_dim", "hidden_dim",
                     "ffn_hidden_size", "moe_intermediate_size", "shared_expert_intermediate_size"), 64),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads",
                     "decoder_attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads"), 2),
    **dict.fromkeys(("head_dim", "d_kv", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"), 8),
    "rotary_dim": 4, "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_ssm": 64,
    "n_groups": 1, "qk_head_dim": 16,
}  # fmt: skip
"""Small values of attributes that say how wide a model is.

Some of these have to fit others, which a configuration alone does not tell."""
COUNTS: dict[str, Any] = {
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers"), 2),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "num_experts_per_token", "moe_topk"), 2),
    **dict.fromkeys(("n_group", "topk_group"), 1),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 64),
    **dict.fromkeys(("vocab_size", "entity_vocab_size", "n_words", "vocab_size_per_layer_input"), WORDS),
    **dict.fromkeys(("num_frames", "frames_per_clip"), 4),
    "num_kv_shared_layers": 0, "num_labels": 5, "use_cache": False,
}  # fmt: skip
"""Small values of attributes that say how deep a model is, and how many experts, positions, words, ... it has."""
UNSET = {
    "head_dim": 8,
    "num_key_value_heads": 4,
    "num_experts_per_tok": 2,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "prediction_length": 4,
}
"""Values of attributes that some configurations leave unset although their models need them."""
STAGES = {"hidden_sizes": lambda n, i: min(n, 16 * (1 + i)), "embed_dims": lambda n, i: min(n, 16 * (1 + i)),
          "depths": lambda n, i: 1, "layer_depths": lambda n, i: 1}  # fmt: skip
"""Attributes with one number for each stage: the small number, given the present one and the stage's index."""
LAYERS = ("layer_types", "layers_block_type", "mlp_layer_types")
"""Attributes with one entry for each layer, which are cut to the small number of layers."""


def shrink(config: Any, size: int, widths: bool, stages: bool) -> None:
    """Make a configuration small in place, and the configurations inside it.

    Args:
        config: of transformers.
        size: of images, in pixels.
        widths: whether widths become small, too, and not only depths and counts.
        stages: whether attributes with a number for each stage become small.
    """
    small = {**COUNTS, **(WIDTHS if widths else {})}
    for attribute, value in list(vars(config).items()):
        if isinstance(value, transformers.PretrainedConfig):
            shrink(value, size, widths, stages)
        elif attribute in small and isinstance(value, int):
            setattr(config, attribute, type(value)(min(value, small[attribute])))
        elif attribute == "image_size":
            setattr(config, attribute, size if isinstance(value, int) else [size] * len(value))
        elif attribute == "vocab_size" and value is None:
            setattr(config, attribute, WORDS)
        elif attribute.endswith("_token_id") and isinstance(value, int) and value >= WORDS:
            setattr(config, attribute, 0)
        elif stages and attribute in STAGES and isinstance(value, (list, tuple)):
            setattr(config, attribute, [STAGES[attribute](n, i) for i, n in enumerate(value)])
        elif widths and attribute in UNSET and value is None:
            setattr(config, attribute, UNSET[attribute])
        elif widths and attribute == "rope_parameters" and isinstance(value, dict) and "rope_type" in value:
            setattr(config, attribute, {**value, "mrope_section": [2, 1, 1]})
        elif attribute in LAYERS and isinstance(value, list):
            setattr(config, attribute, value[: COUNTS["num_hidden_layers"]])
    if widths and hasattr(config, "expand") and hasattr(config, "num_heads"):  # a state space whose heads are its width
        config.expand = 1
    if widths and hasattr(config, "kv_lora_rank"):  # latent attention has keys for every head
        config.num_key_value_heads = config.num_attention_heads
    for attribute in ("pad_token_id", "decoder_start_token_id"):
        if getattr(config, attribute, None) is None:
            setattr(config, attribute, 0)
