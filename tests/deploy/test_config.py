"""Options in files, arguments of models, sizes of images: read as they are meant, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from deploy.cli import main
from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.options.config import FILE, image_size, model_arguments, read, written
from deploy.sources import load_model

NET = """
import torch
def build(width=4, classes=3):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, width), torch.nn.ReLU(), torch.nn.Linear(width, classes))
"""


@pytest.mark.parametrize(
    "text, found",
    [
        ("img_size=64, num_classes=10", {"img_size": 64, "num_classes": 10}),
        ("global_pool='', depths=[1, 2]", {"global_pool": "", "depths": [1, 2]}),
        ("qk_norm=true,drop=1e-1", {"qk_norm": True, "drop": "1e-1"}),
        ("", {}),
        (None, {}),
    ],
)
def test_model_arguments(text: str | None, found: dict) -> None:
    assert model_arguments(text) == found


@pytest.mark.parametrize("text", ["img_size", "=3", "{", "a=[1", "a="])
def test_what_is_no_list_of_arguments(text: str) -> None:
    with pytest.raises(DeployError, match="NAME=VALUE"):
        model_arguments(text)


def test_image_sizes() -> None:
    assert image_size(None) is None
    assert image_size("64") == (3, 64, 64) and image_size("1x28x20") == (1, 28, 20)
    for text in ("0", "28x28", "ax3", "-4", "1.5"):
        with pytest.raises(DeployError, match="--image-size"):
            image_size(text)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    options = ConvertOptions(
        timesteps=16, base="auto", spikes=2, calib=Path("a.npz"), model="net.py:build", out=tmp_path
    )
    (tmp_path / FILE).write_text(written(options.record()))
    found = read(tmp_path / FILE, ConvertOptions)
    assert found["timesteps"] == 16 and found["spikes"] == 2 and found["calib"] == "a.npz" and "weights" not in found
    assert ConvertOptions(**found).record() == options.record()


@pytest.mark.parametrize(
    "text, message",
    [
        ("timestep: 4", "did you mean timesteps"),
        ("- a", "no table of options"),
        ("a: [", "no readable YAML"),
        ("spikes: [1, 2]", "give one value"),
        ("!!python/object/apply:os.system ['touch marker']", "no readable YAML"),
    ],
)
def test_files_that_are_no_options(text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.yaml").write_text(text)
    assert main(["convert", "--config", str(tmp_path / "run.yaml")]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
    assert main(["convert", "--config", str(tmp_path / "none.yaml")]) == 2


def test_a_python_files_model_takes_arguments_and_an_image_folder(tmp_path: Path) -> None:
    """A conversion by a file, whose options the command line overrides; what it leaves says the same again."""
    (tmp_path / "net.py").write_text(NET)
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(6):
            pixels = random.integers(0, 256, (9, 7, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{i}.png")
    settings = {
        "model": f"{tmp_path}/net.py:build", "model-args": "width=5, classes=2", "image_size": "3x4x4", "timesteps": 8,
        "base": 1.5, "calib": str(tmp_path / "images"), "target": "closed-form", "out": str(tmp_path / "out"), "spikes": 1,
    }  # fmt: skip
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(settings))
    assert main(["convert", "--config", str(tmp_path / "mine.yaml"), "--timesteps", "6", "--trust"]) == 0
    left = read(tmp_path / "out" / FILE, ConvertOptions)
    assert left["timesteps"] == 6 and left["base"] == 1.5 and left["model_args"] == "width=5, classes=2"
    loaded = load_model(left["model"], arguments=model_arguments(left["model_args"]), image=(3, 4, 4))
    assert [layer.out_features for layer in loaded.module if hasattr(layer, "out_features")] == [5, 2]  # type: ignore[attr-defined]


def test_arguments_that_a_model_does_not_take(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    with pytest.raises(DeployError, match="--model-args: timm cannot build it"):
        load_model("timm:vit_tiny_patch16_224", "random", arguments={"wings": 2})
    with pytest.raises(DeployError, match="wings"):
        load_model(f"{tmp_path}/net.py:build", arguments={"wings": 2})
    with pytest.raises(DeployError, match="--image-size"):
        load_model("timm:vit_tiny_patch16_224", "random", image=(3, 4, 4))
    with pytest.raises(DeployError, match="--model-args"):
        load_model(arguments={"wings": 2})
    small = load_model("timm:vit_tiny_patch16_224", "random", arguments={"img_size": 32, "depth": 1, "num_classes": 7})
    assert small.image is not None and small.image.size == (3, 32, 32) and small.classes == 7
