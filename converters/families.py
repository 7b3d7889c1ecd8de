"""Small variants, with random weights, of the families of models that users bring."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import timm
import torch
import transformers

Arguments = tuple[torch.Tensor, ...]
Build = Callable[[], tuple[torch.nn.Module, Arguments]]
SAMPLES = 12
EXAMPLES = Path(__file__).parents[1] / "examples"


@dataclass(frozen=True)
class Family:
    """A family of models.

    Attributes:
        name: library first.
        example: a model of the family, which the small variant stands for.
        build: returns a small model with random weights, and ``SAMPLES`` samples of its arguments.
    """

    name: str
    example: str
    build: Build


def _images(size: int) -> Arguments:
    return (torch.rand(SAMPLES, 3, size, size),)


def _timm(name: str, size: int, **changes: Any) -> Build:
    return lambda: (timm.create_model(name, pretrained=False, num_classes=5, **changes), _images(size))


def _config(kind: str, **changes: Any) -> Any:
    return getattr(transformers, f"{kind}Config")(**changes)


class _Output(torch.nn.Module):
    """A transformers model that takes tensors and returns one."""

    def __init__(self, model: torch.nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *arguments: torch.Tensor) -> torch.Tensor:
        result = self.model(**dict(zip(self.names, arguments, strict=True)))
        return result.logits if hasattr(result, "logits") else result.last_hidden_state


def _tokens() -> Arguments:
    """Token ids and masks, int64 (SAMPLES, 9) each, of sentences of 4 to 9 tokens, padded on the right with id 1."""
    mask = (torch.arange(9) < torch.randint(4, 10, (SAMPLES, 1))).long()
    return torch.randint(5, 50, mask.shape) * mask + (1 - mask), mask


def hugging(kind: str, task: str, size: int = 0, **changes: Any) -> Build:
    """A transformers model with five classes, on images of ``size`` pixels or, without a size, on padded sentences."""

    def build() -> tuple[torch.nn.Module, Arguments]:
        config = _config(kind, num_labels=5, **changes)
        model = getattr(transformers, f"{kind}{task}")(config)
        names = ("pixel_values",) if size else ("input_ids", "attention_mask")
        return _Output(model, names), _images(size) if size else _tokens()

    return build


def causal(kind: str, **changes: Any) -> Build:
    """A language model that predicts each token from those before it, on token ids (SAMPLES, 9)."""

    def build() -> tuple[torch.nn.Module, Arguments]:
        config = _config(kind, **changes)
        model = transformers.AutoModelForCausalLM.from_config(config)
        model.config.use_cache = False
        return _Output(model, ("input_ids",)), (torch.randint(5, 50, (SAMPLES, 9)),)

    return build


def padded(kind: str, **changes: Any) -> Build:
    """A language model that predicts each token from those before it, on sentences that are padded on the right."""

    def build() -> tuple[torch.nn.Module, Arguments]:
        model, _ = causal(kind, **changes)()
        return _Output(cast(_Output, model).model, ("input_ids", "attention_mask")), _tokens()

    return build


def _pair() -> Arguments:
    """Token ids and mask (SAMPLES, 9) for an encoder, and token ids (SAMPLES, 4) for a decoder."""
    return *_tokens(), torch.randint(5, 50, (SAMPLES, 4))


def hugging_pair(kind: str, task: str, **changes: Any) -> Build:
    """A transformers model of an encoder and a decoder that attends to it, on pairs of sentences."""

    def build() -> tuple[torch.nn.Module, Arguments]:
        config = _config(kind, **changes)
        model = getattr(transformers, task)(config)
        return _Output(model, ("input_ids", "attention_mask", "decoder_input_ids")), _pair()

    return build


def _whisper() -> tuple[torch.nn.Module, Arguments]:
    lengths = {"num_mel_bins": 8, "max_source_positions": 6, "max_target_positions": 20}
    config = _config("Whisper", **SEQUENCES, **lengths, decoder_start_token_id=1)
    model = transformers.WhisperForConditionalGeneration(config)
    sounds = torch.randn(SAMPLES, 8, 12)
    return _Output(model, ("input_features", "decoder_input_ids")), (sounds, _pair()[2])


class _Similarity(torch.nn.Module):
    """A model of images and texts as one tensor: the similarity of each pair, then the embeddings of image and text."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, pixel_values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        found = self.model(input_ids=input_ids, pixel_values=pixel_values, attention_mask=mask)
        return torch.cat([found.logits_per_image.diagonal()[:, None], found.image_embeds, found.text_embeds], -1)


def image_and_text(kind: str, both: dict[str, int], **text: Any) -> Build:
    """A model of images and texts, such as CLIP; ``both``: settings of the whole, ``text``: of the text's part."""

    def build() -> tuple[torch.nn.Module, Arguments]:
        config = _config(
            kind,
            text_config=HIDDEN | {"vocab_size": 50, "max_position_embeddings": 20} | text,
            vision_config=HIDDEN | {"image_size": 8, "patch_size": 4},
            **both,
        )
        ids, mask = _tokens()
        ids = ids.clamp(max=48).scatter(1, mask.sum(1, keepdim=True) - 1, 49)  # 49 ends a text
        return _Similarity(getattr(transformers, f"{kind}Model")(config)), (ids, *_images(8), mask)

    return build


def _detr() -> tuple[torch.nn.Module, Arguments]:
    backbone = _config(
        "ResNet", embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", out_features=["stage2"]
    )
    plain = {key: value for key, value in SEQUENCES.items() if key not in {"vocab_size", "use_cache"}}
    config = _config(
        "Detr",
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone, num_queries=4,
        init_std=0.5, **plain,
    )  # fmt: skip
    return _Output(transformers.DetrForObjectDetection(config), ("pixel_values",)), _images(32)


class _Masked(torch.nn.Module):
    """PyTorch's own TransformerEncoder of one layer, with a key-padding mask."""

    def __init__(self) -> None:
        super().__init__()
        layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

    def forward(self, x: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        return self.encoder(x, src_key_padding_mask=padding)


def _plain() -> tuple[torch.nn.Module, Arguments]:
    return _Masked(), (torch.randn(SAMPLES, 9, 16), _tokens()[1] == 0)


class _LinearNorm(torch.nn.Module):
    """A norm that is linear once trained: per feature, fixed mean and deviation."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight, self.bias = torch.nn.Parameter(torch.ones(features)), torch.nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", 0.1 * torch.randn(features))
        self.register_buffer("deviation", 1 + torch.rand(features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.deviation * self.weight + self.bias


def _matrix_arithmetic() -> tuple[torch.nn.Module, Arguments]:
    """A BERT with ReLU and without LayerNorm, after MA-BERT (Ming et al., 2022), whose softmax stays softmax here."""
    model = transformers.BertModel(transformers.BertConfig.from_dict(WORDS | {"hidden_act": "relu"}))
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.LayerNorm):
                setattr(parent, name, _LinearNorm(child.normalized_shape[0]))
    return _Output(model, ("input_ids", "attention_mask")), _tokens()


def _uniformer() -> tuple[torch.nn.Module, Arguments]:
    spec = importlib.util.spec_from_file_location("uniformer", EXAMPLES / "uniformer.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.UniFormer(depths=(1, 1, 1, 1), widths=(8, 8, 16, 16), head_width=8, classes=5), _images(32)


VIT = {"img_size": 16, "patch_size": 4, "embed_dim": 16, "depth": 1, "num_heads": 2}
CONVIT = {"embed_dim": 4, "depth": 2, "num_heads": 4, "local_up_to_layer": 1}
SWIN = {"img_size": 16, "patch_size": 2, "window_size": 4, "embed_dim": 8, "depths": (2, 1), "num_heads": (2, 2)}
HIDDEN = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
PATCHES = HIDDEN | {"image_size": 16, "patch_size": 4}
WORDS = HIDDEN | {"vocab_size": 50, "max_position_embeddings": 20, "pad_token_id": 1}
DISTIL = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32, "vocab_size": 50, "max_position_embeddings": 20}
GPT = {"n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 50, "n_positions": 20}
LM = HIDDEN | {"vocab_size": 50, "max_position_embeddings": 20, "pad_token_id": 0}
GROUPED = LM | {"num_key_value_heads": 1}
HEADS = GROUPED | {"head_dim": 8}
WINDOW = HEADS | {"sliding_window": 4}
EXPERTS = {"num_experts_per_tok": 2, "num_experts": 4}
LATENT = {"q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8}
ROUTED = {"num_experts_per_tok": 2, "n_routed_experts": 4, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 0}
OPT = {
    "hidden_size": 16,
    "word_embed_proj_dim": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "ffn_dim": 32,
    "vocab_size": 50,
    "max_position_embeddings": 20,
}
SEQUENCES = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "vocab_size": 50,
    "use_cache": False,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
BART = SEQUENCES | {"max_position_embeddings": 20}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "vocab_size": 50, "use_cache": False}
DISENTANGLED = HIDDEN | {
    "vocab_size": 50,
    "max_position_embeddings": 20,
    "max_relative_positions": 20,
    "position_buckets": 8,
    "pos_att_type": ["c2p", "p2c"],
    "relative_attention": True,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "type_vocab_size": 0,
}
HF_SWIN = {"image_size": 16, "patch_size": 2, "embed_dim": 8, "depths": [2, 1], "num_heads": [2, 2], "window_size": 4}

FAMILIES = (
    Family("timm vit", "vit_tiny_patch16_224", _timm("vit_tiny_patch16_224", 16, **VIT)),
    Family("timm vit, average pooling", "vit_base_patch16_224", _timm("vit_base_patch16_224", 16, **VIT, global_pool="avg")),
    Family("timm vit, normalised q and k", "vit_tiny_patch16_224", _timm("vit_tiny_patch16_224", 16, **VIT, qk_norm=True)),
    Family("timm deit", "deit_tiny_patch16_224", _timm("deit_tiny_patch16_224", 16, **VIT)),
    Family("timm deit, distilled", "deit_tiny_distilled_patch16_224", _timm("deit_tiny_distilled_patch16_224", 16, **VIT)),
    Family("timm deit3", "deit3_small_patch16_224", _timm("deit3_small_patch16_224", 16, **VIT)),
    Family("timm dinov2", "vit_small_patch14_dinov2", _timm("vit_small_patch14_dinov2", 16, **VIT)),
    Family("timm beit", "beit_base_patch16_224", _timm("beit_base_patch16_224", 16, **VIT)),
    Family("timm cait", "cait_xxs24_224", _timm("cait_xxs24_224", 16, **VIT)),
    Family("timm swin", "swin_tiny_patch4_window7_224", _timm("swin_tiny_patch4_window7_224", 16, **SWIN)),
    Family("timm swinv2", "swinv2_tiny_window8_256", _timm("swinv2_tiny_window8_256", 16, **SWIN)),
    Family("timm convnext", "convnext_atto", _timm("convnext_atto", 64, depths=(1, 1, 1, 1), dims=(8, 8, 8, 8))),
    Family("timm edgenext", "edgenext_xx_small", _timm("edgenext_xx_small", 64, dims=(8, 8, 8, 16), depths=(1, 1, 2, 1))),
    Family("timm nextvit", "nextvit_small", _timm("nextvit_small", 64, depths=(1, 1, 5, 1))),
    Family("timm efficientformer", "efficientformer_l1", _timm("efficientformer_l1", 224)),
    Family("timm mobilevit", "mobilevit_xxs", _timm("mobilevit_xxs", 64)),
    Family("timm convnext v2", "convnextv2_atto", _timm("convnextv2_atto", 64, depths=(1, 1, 1, 1), dims=(8, 8, 8, 8))),
    Family("timm convit", "convit_tiny", _timm("convit_tiny", 16, **VIT | CONVIT)),
    Family("timm efficientvit", "efficientvit_b0", _timm("efficientvit_b0", 64, widths=(8, 8, 8, 16, 16), depths=(1,) * 5)),
    Family("timm resnet", "resnet18", _timm("resnet18", 32, channels=(8, 8, 8, 8), layers=(1, 1, 1, 1))),
    Family("timm densenet", "densenet121", _timm("densenet121", 32, growth_rate=4, block_config=(1, 1, 1, 1))),
    Family("timm mobilenet v3", "mobilenetv3_small_050", _timm("mobilenetv3_small_050", 32)),
    Family("timm regnet", "regnety_002", _timm("regnety_002", 32)),
    Family("transformers ViT", "ViTForImageClassification", hugging("ViT", "ForImageClassification", 16, **PATCHES)),
    Family("transformers DeiT", "DeiTForImageClassification", hugging("DeiT", "ForImageClassification", 16, **PATCHES)),
    Family("transformers DINOv2", "Dinov2Model", hugging("Dinov2", "Model", 16, **PATCHES)),
    Family("transformers Swin", "SwinForImageClassification", hugging("Swin", "ForImageClassification", 16, **HF_SWIN)),
    Family("transformers Swin v2", "Swinv2ForImageClassification", hugging("Swinv2", "ForImageClassification", 16, **HF_SWIN)),
    Family("transformers BERT, MiniLM", "BertModel", hugging("Bert", "Model", **WORDS)),
    Family("transformers DistilBERT", "DistilBertModel", hugging("DistilBert", "Model", **DISTIL)),
    Family("transformers RoBERTa", "RobertaModel", hugging("Roberta", "Model", **WORDS)),
    Family("transformers GPT-2", "GPT2LMHeadModel", causal("GPT2", **GPT)),
    Family("transformers GPT-J", "GPTJForCausalLM", causal("GPTJ", **GPT, rotary_dim=4)),
    Family("transformers OPT", "OPTForCausalLM", causal("OPT", **OPT)),
    Family("transformers GPT-NeoX", "GPTNeoXForCausalLM", causal("GPTNeoX", **LM)),
    Family("transformers Llama", "LlamaForCausalLM", causal("Llama", **HEADS)),
    Family("transformers Qwen2", "Qwen2ForCausalLM", causal("Qwen2", **GROUPED)),
    Family("transformers Qwen3", "Qwen3ForCausalLM", causal("Qwen3", **HEADS)),
    Family("transformers Mistral", "MistralForCausalLM", causal("Mistral", **WINDOW)),
    Family("transformers Gemma", "GemmaForCausalLM", causal("Gemma", **HEADS)),
    Family("transformers Gemma 2", "Gemma2ForCausalLM", causal("Gemma2", **WINDOW)),
    Family("transformers Gemma 3, text", "Gemma3ForCausalLM", causal("Gemma3Text", **WINDOW)),
    Family("transformers Phi", "PhiForCausalLM", causal("Phi", **LM, partial_rotary_factor=0.5)),
    Family("transformers Phi-3", "Phi3ForCausalLM", causal("Phi3", **GROUPED)),
    Family("transformers SmolLM3", "SmolLM3ForCausalLM", causal("SmolLM3", **HEADS)),
    Family("transformers OLMo 2", "Olmo2ForCausalLM", causal("Olmo2", **GROUPED)),
    Family("transformers StarCoder2", "Starcoder2ForCausalLM", causal("Starcoder2", **GROUPED)),
    Family("transformers Falcon", "FalconForCausalLM", causal("Falcon", **HIDDEN, vocab_size=50)),
    Family("transformers Bloom", "BloomForCausalLM", causal("Bloom", hidden_size=16, n_layer=1, n_head=2, vocab_size=50)),
    Family("transformers Mixtral", "MixtralForCausalLM", causal("Mixtral", **HEADS, **EXPERTS)),
    Family("transformers Qwen2-MoE", "Qwen2MoeForCausalLM",
           causal("Qwen2Moe", **HEADS, **EXPERTS, moe_intermediate_size=8, shared_expert_intermediate_size=16)),
    Family("transformers DeepSeek-V3", "DeepseekV3ForCausalLM",
           causal("DeepseekV3", **LM, **LATENT, **ROUTED, num_key_value_heads=2, moe_intermediate_size=8)),
    Family("MA-BERT-like", "BertModel, ReLU, linear norms", _matrix_arithmetic),
    Family("torch TransformerEncoder", "nn.TransformerEncoder", _plain),
    Family("transformers T5, encoder", "T5EncoderModel", hugging("T5", "EncoderModel", **T5)),
    Family("transformers T5", "T5ForConditionalGeneration", hugging_pair("T5", "T5ForConditionalGeneration", **T5)),
    Family("transformers BART", "BartForConditionalGeneration", hugging_pair("Bart", "BartForConditionalGeneration", **BART)),
    Family("transformers Marian", "MarianMTModel", hugging_pair("Marian", "MarianMTModel", **BART)),
    Family("transformers Whisper", "WhisperForConditionalGeneration", _whisper),
    Family("transformers CLIP", "CLIPModel", image_and_text("CLIP", {"projection_dim": 16}, eos_token_id=49)),
    Family("transformers SigLIP", "SiglipModel", image_and_text("Siglip", {}, projection_size=16)),
    Family("transformers DETR", "DetrForObjectDetection", _detr),
    Family("transformers DeBERTa v2, v3", "DebertaV2ForSequenceClassification",
           hugging("DebertaV2", "ForSequenceClassification", **DISENTANGLED)),
    Family("transformers GPT-2, padded", "GPT2LMHeadModel", padded("GPT2", **GPT)),
    Family("transformers Llama, padded", "LlamaForCausalLM", padded("Llama", **HEADS)),
    Family("transformers GPT-2, classes", "GPT2ForSequenceClassification",
           hugging("GPT2", "ForSequenceClassification", **GPT, use_cache=False, pad_token_id=1)),
    *([Family("UniFormer", "examples/uniformer.py", _uniformer)] if (EXAMPLES / "uniformer.py").is_file() else []),
)  # fmt: skip
