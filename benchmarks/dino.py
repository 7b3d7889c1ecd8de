"""Measures a ViT with a DINOv2-small's trained weights: cosine of features, and a linear probe on Fashion-MNIST.

    python -m benchmarks.dino --images 500

The weights come from an ONNX file, converted here to a checkpoint of timm's vit_small_patch14_dinov2, which is kept in
the user's cache as dinov2-small.safetensors and works with `deploy convert --weights`. Images are enlarged to 98 x 98
pixels: 49 patches and the class token, whose features are the output. The probe is fitted to the original's features.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import timm
import torch
import typer
from rich.console import Console
from safetensors.torch import load_file, save_file
from timm.layers.pos_embed import resample_abs_pos_embed

from benchmarks import material
from benchmarks.probe import fit_head
from benchmarks.subject import Case, Subject, in_batches, table
from deploy.demo.train import read_split
from deploy.sources.wrappers import Normalised

NAME, CLASS, PATCHES = "vit_small_patch14_dinov2", "onnx::Concat_1957", "onnx::Reshape_1962"
SIDE, GRID, DEPTH = 98, 7, 12
CASES = tuple(Case(t, n, precision, input_spikes=n) for t, n in ((40, 1), (16, 2)) for precision in ("float", "fixed"))
LINEAR = {"attention.output.dense": "attn.proj", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
COPIED = {
    "norm1.weight": "norm1.weight", "norm1.bias": "norm1.bias", "norm2.weight": "norm2.weight", "norm2.bias": "norm2.bias",
    "layer_scale1.lambda1": "ls1.gamma", "layer_scale2.lambda1": "ls2.gamma",
}  # fmt: skip


def state_dict(file: Path) -> dict[str, torch.Tensor]:
    """Convert the ONNX file's weights to timm's parameters; position encodings stay as trained, for 37 x 37 patches."""
    graph = onnx.load(str(file)).graph
    values = {i.name: torch.from_numpy(onnx.numpy_helper.to_array(i).copy()) for i in graph.initializer}
    products = {node.name: node.input[1] for node in graph.node if node.op_type == "MatMul"}

    def linear(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """(weight (out, in), bias) of a layer; the ONNX file holds weights as unnamed (in, out) operands of MatMul."""
        return values[products[f"/{name.replace('.', '/').replace('layer/', 'layer.')}/MatMul"]].T, values[
            f"{name}.bias"
        ]

    state = {
        "cls_token": values["backbone.embeddings.cls_token"],
        "pos_embed": torch.cat([values[CLASS], values[PATCHES]], 1),
        "patch_embed.proj.weight": values["backbone.embeddings.patch_embeddings.projection.weight"],
        "patch_embed.proj.bias": values["backbone.embeddings.patch_embeddings.projection.bias"],
        "norm.weight": values["backbone.layernorm.weight"],
        "norm.bias": values["backbone.layernorm.bias"],
    }
    for number in range(DEPTH):
        layer, block = f"backbone.encoder.layer.{number}", f"blocks.{number}"
        rows = [linear(f"{layer}.attention.attention.{part}") for part in ("query", "key", "value")]
        state[f"{block}.attn.qkv.weight"], state[f"{block}.attn.qkv.bias"] = map(torch.cat, zip(*rows, strict=True))
        for theirs, own in LINEAR.items():
            state[f"{block}.{own}.weight"], state[f"{block}.{own}.bias"] = linear(f"{layer}.{theirs}")
        for theirs, own in COPIED.items():
            state[f"{block}.{own}"] = values[f"{layer}.{theirs}"]
    return {name: tensor.contiguous() for name, tensor in state.items()}


def checkpoint() -> Path:
    """Path of the safetensors checkpoint, which is made if it does not exist."""
    path = material.CACHE / "dinov2-small.safetensors"
    if not path.exists():
        save_file(state_dict(material.dino_onnx()), path)
    return path


def build() -> torch.nn.Module:
    """The trained model in evaluation mode, for images (N, 3, SIDE, SIDE) in [0, 1], which it normalises itself."""
    model = timm.create_model(NAME, pretrained=False, num_classes=0, img_size=SIDE)
    state = load_file(checkpoint())
    state["pos_embed"] = resample_abs_pos_embed(state["pos_embed"], [GRID, GRID])
    model.load_state_dict(state)
    return Normalised(model, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)).eval()


def enlarged(images: np.ndarray) -> np.ndarray:
    """Resize grey images, uint8 (N, 28, 28), to three equal channels, float32 (N, 3, SIDE, SIDE) in [0, 1]."""
    grey = torch.from_numpy(images.copy())[:, None].float() / 255
    return torch.nn.functional.interpolate(grey, SIDE, mode="bilinear").expand(-1, 3, -1, -1).numpy()


def subject(images: int, probe: int, calibration: int) -> Subject:
    """The model with its data: numbers of test images, of training images for the probe, and of others to calibrate."""
    model = build()
    folder = material.fashion_mnist()
    train, train_labels = read_split(folder, "train")
    order = np.random.default_rng(0).permutation(len(train))
    fit, held = order[:probe], order[probe : probe + calibration]
    known = [enlarged(train[fit])]
    head = fit_head(in_batches(model, known, known)[0], train_labels[fit].astype(np.int64))
    test, labels = read_split(folder, "t10k")
    name = "DINOv2-small, linear probe on Fashion-MNIST"
    return Subject(name, model, [enlarged(train[held])], [enlarged(test[:images])], labels[:images], head)


def main(
    images: Annotated[int, typer.Option(help="Test images to evaluate on, the first ones.")] = 500,
    probe: Annotated[int, typer.Option(help="Training images that the probe is fitted to.")] = 2000,
    calibration: Annotated[int, typer.Option(help="Other training images that set the scales.")] = 64,
    fixed: Annotated[bool, typer.Option(help="Also in fixed point.")] = True,
) -> None:
    """Features and linear-probe accuracy of a DINOv2-small, original and spiking."""
    cases = [case for case in CASES if fixed or case.precision == "float"]
    Console().print(table(subject(images, probe, calibration), cases))


if __name__ == "__main__":
    typer.run(main)
