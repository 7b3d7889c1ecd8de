import pickle
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import transformers
from safetensors.torch import save_file

from deploy.errors import DeployError
from deploy.sources import load_model, timm_models

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x, scale=1.0):
        return self.fc(x) * scale

def build():
    return Net()

def broken():
    raise ValueError("boom")

def no_module():
    return 7

def half():
    return Net().half()
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(NET)
    return f"{tmp_path / 'net.py'}:build"


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    return {"fc.weight": torch.arange(12.0).reshape(3, 4), "fc.bias": torch.ones(3)}


def fails(words: str, spec: str, weights: Path | str | None = None) -> None:
    """Loading must fail with one line that matches `words`."""
    with pytest.raises(DeployError, match=words) as caught:
        load_model(spec, weights)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("resnet", "not a model specification; give demo, timm:NAME"),
        ("vit_tiny_patch16_224", "did you mean timm:vit_tiny_patch16_224"),
        ("timm:vit_tiny_patch16_22", "has no such model; did you mean vit_tiny_patch16_224"),
        ("timm:zzzzzz", "has no such model; timm.list_models"),
        ("hf:./no/such/folder", "config.json not found"),
        ("hf:no-such/model", "configuration cannot be read"),
        ("/no/such.py:build", "/no/such.py: no such file"),
    ],
)
def test_unknown_models(spec: str, words: str) -> None:
    fails(words, spec)


def test_demo_takes_no_weights(tmp_path: Path) -> None:
    fails("the demo model comes with its weights", "demo", tmp_path / "w.safetensors")


def test_python_file(net: str, tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    loaded = load_model(net, "random", seed=3)
    assert list(loaded.inputs) == ["x"] and not loaded.module.training
    again = load_model(net, "random", seed=3).module.state_dict()
    assert all(torch.equal(again[name], value) for name, value in loaded.module.state_dict().items())
    save_file(tensors, tmp_path / "w.safetensors")
    module = load_model(net, tmp_path / "w.safetensors").module
    torch.testing.assert_close(module(torch.ones(1, 4)), torch.tensor([[7.0, 23.0, 39.0]]), rtol=0, atol=0)
    with pytest.raises(DeployError, match="shape of input `x` is not known"):
        loaded.example()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("broken", "the call raised ValueError: boom"),
        ("no_module", "returned int; it must return a torch.nn.Module"),
        ("half", "float16; models are taken in float32"),
        ("missing", "has no callable `missing`; it has .*build"),
    ],
)
def test_python_file_errors(net: str, name: str, words: str) -> None:
    fails(words, net.replace(":build", f":{name}"))


def test_python_file_that_does_not_import(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import no_such_package\nbuild = None")
    fails("importing it raised ModuleNotFoundError", f"{tmp_path / 'bad.py'}:build")


@pytest.mark.parametrize("wrap", ["plain", "container", "prefix", "half"])
def test_checkpoints_of_training_frameworks(
    net: str, tensors: dict[str, torch.Tensor], tmp_path: Path, wrap: str
) -> None:
    content: Any = tensors
    if wrap == "container":
        content = {"epoch": 3, "state_dict": tensors}
    elif wrap == "prefix":
        content = {f"module.{name}": tensor for name, tensor in tensors.items()}
    elif wrap == "half":
        content = {name: tensor.half() for name, tensor in tensors.items()}
    torch.save(content, tmp_path / "w.pt")
    state = load_model(net, tmp_path / "w.pt").module.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in tensors.items())


def test_weights_that_do_not_fit(net: str, tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"fc.weight": torch.ones(5, 4), "head.weight": torch.ones(2)}, path)
    counted = r"1 missing \(fc.bias\); 1 unexpected \(head.weight\); 1 of another shape"
    fails(counted + r" \(fc.weight \(5, 4\) for \(3, 4\)\)", net, path)
    save_file(tensors | {f"extra{index}": torch.ones(1) for index in range(9)}, path)
    fails(r"9 unexpected \(extra0, extra1, extra2, \.\.\.\)", net, path)
    save_file(tensors | {"fc.bias": torch.tensor([1.0, float("nan"), 1.0])}, path)
    fails("tensor fc.bias holds NaN or infinity", net, path)


class Evil:
    """Unpickling it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "ran")


@pytest.mark.parametrize("kind", ["torch", "pickle"])
def test_pickled_weights_are_refused_and_not_run(net: str, tmp_path: Path, kind: str) -> None:
    proof = tmp_path / "proof"
    if kind == "torch":
        torch.save({"state_dict": Evil(proof)}, tmp_path / "w.pt")
    else:
        (tmp_path / "w.pt").write_bytes(pickle.dumps(Evil(proof)))
    fails("holds pickled Python objects", net, tmp_path / "w.pt")
    assert not proof.exists()


def test_whole_pickled_module_is_refused(net: str, tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pth")
    fails("holds pickled Python objects", net, tmp_path / "w.pth")


def test_files_that_are_no_weights(net: str, tmp_path: Path) -> None:
    fails("no such weights file", net, tmp_path / "none.pt")
    for name, words in (("w.pt", "not a PyTorch file"), ("w.safetensors", "not a readable safetensors file")):
        (tmp_path / name).write_text("these are no weights")
        fails(words, net, tmp_path / name)
    (tmp_path / "w.h5").write_text("")
    fails("weights files end in one of .safetensors, .pt", net, tmp_path / "w.h5")
    torch.save([1, 2], tmp_path / "list.pt")
    fails("holds no table of tensors", net, tmp_path / "list.pt")


def test_timm_normalises_inside() -> None:
    loaded = load_model("timm:vit_tiny_patch16_224", "random", seed=1)
    assert loaded.inputs["x"].shape == (3, 224, 224) and loaded.classes == 1000 and len(loaded.class_names) == 1000
    x = loaded.example()["x"]
    inner = loaded.module.get_submodule("model")
    with torch.no_grad():
        assert torch.equal(loaded.module(x), inner((x - 0.5) / 0.5))
    names = {name.removeprefix(loaded.prefix) for name in loaded.module.state_dict()}
    assert names == set(inner.state_dict())


def test_timm_takes_the_number_of_classes_from_the_weights(tmp_path: Path) -> None:
    tuned = timm.create_model("vit_tiny_patch16_224", num_classes=7)
    save_file(tuned.state_dict(), tmp_path / "w.safetensors")
    loaded = load_model("timm:vit_tiny_patch16_224", tmp_path / "w.safetensors")
    assert loaded.classes == 7 and loaded.class_names == ()
    other = timm.create_model("deit_small_patch16_224")
    save_file(other.state_dict(), tmp_path / "w.safetensors")
    fails(
        "weights do not fit timm:vit_tiny_patch16_224",
        "timm:vit_tiny_patch16_224",
        tmp_path / "w.safetensors",
    )


def test_timm_published_weights_come_as_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails("cannot be fetched .*give --weights FILE, or --weights random", "timm:vit_tiny_patch16_224")
    published = timm.create_model("vit_tiny_patch16_224")
    save_file(published.state_dict(), tmp_path / "model.safetensors")
    monkeypatch.setattr(timm_models, "hf_hub_download", lambda *args: str(tmp_path / "model.safetensors"))
    state = load_model("timm:vit_tiny_patch16_224").module.get_submodule("model").state_dict()
    assert all(torch.equal(state[name], value) for name, value in published.state_dict().items())


def vit_config() -> transformers.ViTConfig:
    return transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=8,
        patch_size=4,
        num_channels=1,
        id2label={0: "cat", 1: "dog", 2: "eel"},
        label2id={"cat": 0, "dog": 1, "eel": 2},
    )


def test_transformers_image_model(tmp_path: Path) -> None:
    model = transformers.ViTForImageClassification(vit_config()).eval()
    model.save_pretrained(tmp_path)
    settings = (
        '{"image_processor_type": "ViTImageProcessor", "image_mean": [0.25], "image_std": [0.5], "resample": 2, '
        '"size": {"height": 8, "width": 8}}'
    )
    (tmp_path / "preprocessor_config.json").write_text(settings)
    loaded = load_model(f"hf:{tmp_path}")
    assert loaded.image is not None and loaded.image.size == (1, 8, 8)
    assert "ViTImageProcessor" in loaded.image.transform and "resample 2" in loaded.image.transform
    assert loaded.class_names == ("cat", "dog", "eel")
    x = loaded.example(2)["x"]
    with torch.no_grad():
        assert torch.equal(loaded.module(x), model((x - 0.25) / 0.5).logits)


def test_transformers_weights_missing_or_pickled(tmp_path: Path) -> None:
    model = transformers.ViTForImageClassification(vit_config())
    model.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    save_file(
        {k: v for k, v in model.state_dict().items() if not k.startswith("classifier")},
        file,
        {"format": "pt"},
    )
    fails("2 tensors are not in its model.safetensors .classifier", f"hf:{tmp_path}")
    file.unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    fails("no readable model.safetensors", f"hf:{tmp_path}")
    loaded = load_model(f"hf:{tmp_path}", tmp_path / "pytorch_model.bin")
    assert torch.equal(loaded.module.state_dict()["model.classifier.weight"], model.classifier.weight)


def test_transformers_text_model(tmp_path: Path) -> None:
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    model = transformers.BertModel(config).eval()
    model.save_pretrained(tmp_path)
    loaded = load_model(f"hf:{tmp_path}")
    assert list(loaded.inputs) == ["input_ids", "attention_mask"] and loaded.classes is None
    assert loaded.text is not None and loaded.text.max_tokens == 512
    tokens, mask = torch.arange(5)[None], torch.ones(1, 5, dtype=torch.int64)
    with torch.no_grad():
        expected = model(input_ids=tokens, attention_mask=mask).last_hidden_state
        assert torch.equal(loaded.module(tokens, mask), expected)
