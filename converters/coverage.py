"""Which families of encoders convert: a table made by converting a small random-weight variant of each.

Nothing here decides what converts. Each family's model is built as its users would, only smaller, captured, lowered and
run: what the table says is what happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import timm
import torch
import transformers

from converters.calibrate import calibrate
from converters.capture import capture
from converters.front_end import FrontEnd, split
from converters.lowering import UnsupportedModel, lower
from processes.errors import DeployError
from processes.network import Network
from processes.phase_code import PhaseCode
from targets.closed_form import ClosedForm

Arguments = tuple[torch.Tensor, ...]
Build = Callable[[], tuple[torch.nn.Module, Arguments]]
SAMPLES = 12
CODE = PhaseCode(1.15, 40)
EXACT = 1e-4  # of the largest output: what float32 sums in another order leave


@dataclass(frozen=True)
class Family:
    """One row to be: ``build`` returns a small model with random weights and a few samples of its arguments."""

    name: str
    example: str
    build: Build


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        state: "spiking" if every operation has a spiking form and, without codes, gives the model's outputs;
            "refused" or "failed".
        reason: what stays on the host, or why the family was refused.
        error: relative error of the outputs on samples that were not calibrated on, floating point, with ``CODE``;
            weights are random and few samples calibrate, so it tells that it runs and not how accurate a model is.
    """

    family: str
    example: str
    state: str
    reason: str
    error: float | None = None


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


VIT = {"img_size": 16, "patch_size": 4, "embed_dim": 16, "depth": 1, "num_heads": 2}
SWIN = {"img_size": 16, "patch_size": 2, "window_size": 4, "embed_dim": 8, "depths": (2, 1), "num_heads": (2, 2)}
HIDDEN = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
PATCHES = HIDDEN | {"image_size": 16, "patch_size": 4}
WORDS = HIDDEN | {"vocab_size": 50, "max_position_embeddings": 20, "pad_token_id": 1}
DISTIL = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32, "vocab_size": 50, "max_position_embeddings": 20}
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
    Family("timm nextvit", "nextvit_small", _timm("nextvit_small", 64)),
    Family("timm efficientformer", "efficientformer_l1", _timm("efficientformer_l1", 224)),
    Family("timm mobilevit", "mobilevit_xxs", _timm("mobilevit_xxs", 64)),
    Family("transformers ViT", "ViTForImageClassification", hugging("ViT", "ForImageClassification", 16, **PATCHES)),
    Family("transformers DeiT", "DeiTForImageClassification", hugging("DeiT", "ForImageClassification", 16, **PATCHES)),
    Family("transformers DINOv2", "Dinov2Model", hugging("Dinov2", "Model", 16, **PATCHES)),
    Family("transformers Swin", "SwinForImageClassification", hugging("Swin", "ForImageClassification", 16, **HF_SWIN)),
    Family("transformers BERT, MiniLM", "BertModel", hugging("Bert", "Model", **WORDS)),
    Family("transformers DistilBERT", "DistilBertModel", hugging("DistilBert", "Model", **DISTIL)),
    Family("transformers RoBERTa", "RobertaModel", hugging("Roberta", "Model", **WORDS)),
    Family("torch TransformerEncoder", "nn.TransformerEncoder", _plain),
)  # fmt: skip


def ideal_error(family: Family, seed: int = 0) -> tuple[Network, float, FrontEnd | None]:
    """The lowered network of a small variant, its largest deviation from the model over the largest output, and
    what stays on the host.

    Raises:
        UnsupportedModel: with every operation that cannot be converted.
    """
    model, arguments = built(family, seed)
    captured = capture(model, tuple(a[:1] for a in arguments))
    front = split(captured).front
    samples = arguments[0].numpy() if front is None else front(*arguments)
    network = lower(captured, (1, *samples.shape[1:]))
    runner = ClosedForm(network, torch.float64, ideal=True)
    outputs = runner.real(runner.run(samples[:2]))
    with torch.no_grad():
        expected = model(*(a[:2] for a in arguments)).double()
    return network, float((outputs.reshape(expected.shape) - expected).abs().max() / expected.abs().max()), front


def built(family: Family, seed: int = 0) -> tuple[torch.nn.Module, Arguments]:
    """The family's small variant and its samples."""
    return spread(family.build, seed)


def spread(build: Build, seed: int = 0) -> tuple[torch.nn.Module, Arguments]:
    """What ``build`` builds, with weights spread a little further than they are initialised."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, arguments = build()
        for parameter in model.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    return model.eval(), arguments


def coverage(families: tuple[Family, ...] = FAMILIES) -> Iterator[Row]:
    """Convert every family's small variant; one row each, as it is done."""
    for family in families:
        try:
            network, error, front = ideal_error(family)
            spiking = spiking_error(family, network, front)
        except UnsupportedModel as refused:
            counts = Counter(f"{r.operation}: {r.reason}" for r in refused.refusals)
            yield Row(family.name, family.example, "refused", "; ".join(counts))
            continue
        except DeployError as refused:
            yield Row(family.name, family.example, "refused", str(refused))
            continue
        wrong = not np.isfinite(error) or error > EXACT
        found = f"without codes it deviates by {error:.2g} of the largest output" if wrong else _on_host(front)
        yield Row(family.name, family.example, "failed" if wrong else "spiking", found, spiking)


def spiking_error(family: Family, network: Network, front: FrontEnd | None, seed: int = 0) -> float:
    """Relative error of the calibrated network, which is ``network`` afterwards, on the second half of the samples."""
    model, arguments = built(family, seed)
    samples = arguments[0].numpy() if front is None else front(*arguments)
    half = SAMPLES // 2
    runner = ClosedForm(calibrate(network, samples[:half], CODE), torch.float64)
    outputs = runner.real(runner.run(samples[half:]))
    with torch.no_grad():
        expected = model(*(a[half:] for a in arguments)).double()
    return float((outputs.reshape(expected.shape) - expected).norm() / expected.norm())


def _on_host(front: FrontEnd | None) -> str:
    if front is None:
        return ""
    looked_up = any("embedding" in str(node.target) for node in front.module.graph.nodes)
    return "host: embeddings looked up and added; mask" if looked_up else "host: mask"
