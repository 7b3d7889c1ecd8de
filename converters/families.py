"""Small variants, with random weights, of the families of models that users bring."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
import transformers

Arguments = tuple[torch.Tensor, ...]
Build = Callable[[], tuple[torch.nn.Module, Arguments]]
SAMPLES = 12
EXAMPLES = Path(__file__).parents[1] / "examples"


@dataclass(frozen=True)
class Family:
    """``build`` returns a small model with random weights and ``SAMPLES`` samples of its arguments."""

    name: str
    example: str
    build: Build


def _images(size: int) -> Arguments:
    return (torch.rand(SAMPLES, 3, size, size),)


def _timm(name: str, size: int, **changes: Any) -> Build:
    return lambda: (timm.create_model(name, pretrained=False, num_classes=5, **changes), _images(size))


class _Output(torch.nn.Module):
    """A transformers model that takes tensors and returns one."""

    def __init__(self, model: torch.nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *arguments: torch.Tensor) -> torch.Tensor:
        result = self.model(**dict(zip(self.names, arguments, strict=True)))
        return result.logits if hasattr(result, "logits") else result.last_hidden_state


def _tokens() -> Arguments:
    """Token ids (SAMPLES, 9) and masks of sentences of 4 to 9 tokens."""
    mask = (torch.arange(9) < torch.randint(4, 10, (SAMPLES, 1))).long()
    return torch.randint(5, 50, mask.shape) * mask + (1 - mask), mask


def hugging(kind: str, task: str, size: int = 0, **changes: Any) -> Build:
    def build() -> tuple[torch.nn.Module, Arguments]:
        config = getattr(transformers, f"{kind}Config")(num_labels=5, **changes)
        model = getattr(transformers, f"{kind}{task}")(config)
        names = ("pixel_values",) if size else ("input_ids", "attention_mask")
        return _Output(model, names), _images(size) if size else _tokens()

    return build


def causal(kind: str, **changes: Any) -> Build:
    """A language model that predicts each token from those before it, on token ids (SAMPLES, 9)."""

    def build() -> tuple[torch.nn.Module, Arguments]:
        config = getattr(transformers, f"{kind}Config")(**changes)
        model = transformers.AutoModelForCausalLM.from_config(config)
        model.config.use_cache = False
        return _Output(model, ("input_ids",)), (torch.randint(5, 50, (SAMPLES, 9)),)

    return build


class _Masked(torch.nn.Module):
    """A plain encoder with its key-padding mask."""

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
OPT = {
    "hidden_size": 16,
    "word_embed_proj_dim": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "ffn_dim": 32,
    "vocab_size": 50,
    "max_position_embeddings": 20,
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
    Family("MA-BERT-like", "BertModel, ReLU, linear norms", _matrix_arithmetic),
    Family("torch TransformerEncoder", "nn.TransformerEncoder", _plain),
    *([Family("UniFormer", "examples/uniformer.py", _uniformer)] if (EXAMPLES / "uniformer.py").is_file() else []),
)  # fmt: skip
