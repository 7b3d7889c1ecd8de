import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

from deploy.errors import DeployError
from deploy.sources import (
    Data,
    InputSpec,
    LoadedModel,
    TextInput,
    hold_out,
    load_calibration,
    load_data,
    shared_samples,
)
from deploy.sources.preprocessing import timm_input
from deploy.sources.unseen import unseen_line
from tests.tolerances import PIXEL


def image_model(classes: int = 3, names: tuple[str, ...] = ()) -> LoadedModel:
    size = (1, 4, 4)
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, classes)).eval()
    image = timm_input(size, interpolation="nearest", crop_mode="squash", crop_pct=1.0)
    inputs = {"x": InputSpec("float32", size, ("pixel_values",))}
    return LoadedModel("net", "net", module, inputs, classes=classes, class_names=names, image=image)


def plain_model() -> LoadedModel:
    return LoadedModel("lin", "lin.py:build", nn.Linear(4, 3).eval(), {"x": InputSpec()})


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).random((count, 1, 4, 4), np.float32)


def fails(words: str, path: Path | None, model: LoadedModel) -> None:
    """Loading as evaluation data must fail with one line that matches `words`."""
    with pytest.raises(DeployError, match=words) as caught:
        load_data(path, model, "evaluation")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["x", "pixel_values"])
def test_npz(tmp_path: Path, name: str) -> None:
    x, y = images(5), np.array([0, 1, 2, 0, 1])
    path = save(tmp_path / "d.npz", **{name: x.astype(np.float64), "y": y.astype(np.uint8)})
    data = load_data(path, image_model(), "evaluation")
    assert len(data) == 5 and list(data.inputs) == ["x"]
    assert data.inputs["x"].dtype == np.float32 and np.array_equal(data.inputs["x"], x)
    assert data.labels is not None and data.labels.dtype == np.int64 and np.array_equal(data.labels, y)
    assert len(load_data(path, image_model(), "evaluation", limit=2)) == 2
    assert [len(batch) for (batch,) in data.batches(2)] == [2, 2, 1]
    # Calibration has no use for labels.
    assert load_data(path, image_model(), "calibration").labels is None


def test_bytes_become_pixels(tmp_path: Path) -> None:
    grey = np.full((2, 1, 4, 4), 51, np.uint8)
    data = load_data(save(tmp_path / "d.npz", x=grey), image_model(), "evaluation")
    assert np.array_equal(data.inputs["x"], np.full((2, 1, 4, 4), np.float32(51) / np.float32(255)))


X = images(4)
HOLE = X.copy()
HOLE[2, 0, 1, 1] = np.nan


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "no array `x`, an argument of net; it holds nothing"),
        ({"images": X}, "no array `x`, an argument of net; it holds images"),
        ({"x": X, "z": X}, "array `z` is no argument of net; known are x, y"),
        ({"x": X[:, 0]}, r"shape \(4, 4, 4\); net takes \(samples, 1, 4, 4\)"),
        ({"x": X[:0]}, r"`x` is empty \(shape \(0, 1, 4, 4\)\)"),
        ({"x": np.float32(1)}, "`x` is one number|has shape"),
        ({"x": X.astype(np.int64)}, "is int64; net takes float32"),
        ({"x": X.astype("c8")}, "is complex64; numbers are needed"),
        ({"x": X.astype("U4")}, "numbers are needed"),
        ({"x": HOLE}, "1 of 4 samples hold NaN or infinity, first in sample 2"),
        ({"x": X * np.float32(np.inf)}, "4 of 4 samples hold NaN or infinity"),
        ({"x": X * 255}, r"give raw pixels in \[0, 1\]"),
        ({"x": X - 0.5}, r"give raw pixels in \[0, 1\]"),
        (
            {"x": X, "y": np.array([0, 1, 2, 3])},
            "1 out of range, first 3 in sample 3; the model's 3 classes are 0 to 2",
        ),
        ({"x": X, "y": np.array([0, -1, 2, 3])}, "2 out of range, first -1 in sample 1"),
        ({"x": X, "y": np.array([0, 1])}, "labels `y` are 2 for 4 samples"),
        ({"x": X, "y": np.array([0.0, 1.0, 2.0, 0.5])}, "labels `y` are float64 of shape"),
        ({"x": X, "y": np.zeros((4, 3), np.int64)}, r"labels `y` are int64 of shape \(4, 3\)"),
        ({"x": np.array([object()])}, "holds pickled Python objects"),
    ],
)
def test_faulty_npz(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    fails(words, save(tmp_path / "d.npz", **arrays), image_model())


def test_files_that_are_no_data(tmp_path: Path) -> None:
    fails("--eval .*none.npz: no such file or folder", tmp_path / "none.npz", image_model())
    fails("--eval missing: net has no data with it", None, image_model())
    (tmp_path / "d.npz").write_text("no archive")
    fails("not an .npz file", tmp_path / "d.npz", image_model())
    with (tmp_path / "single.npz").open("wb") as file:
        np.save(file, X)
    fails("not an .npz file", tmp_path / "single.npz", image_model())
    (tmp_path / "d.parquet").write_text("")
    fails("not a kind of data known here; give one of .npz, .txt, .tsv", tmp_path / "d.parquet", image_model())
    with pytest.raises(DeployError, match="calibration samples: 0 asked for"):
        load_data(tmp_path / "d.npz", image_model(), "calibration", limit=0)


def test_a_model_of_unknown_shape_is_tried(tmp_path: Path) -> None:
    x = np.ones((2, 4), np.float32)
    assert len(load_data(save(tmp_path / "d.npz", x=x, y=[0, 2]), plain_model(), "evaluation")) == 2
    fails(
        r"cannot take one sample of it \(x \(1, 5\) float32\)",
        save(tmp_path / "e.npz", x=np.ones((2, 5))),
        plain_model(),
    )
    # Its classes are known from its output.
    fails("classes are 0 to 2", save(tmp_path / "f.npz", x=x, y=[0, 3]), plain_model())


def test_arguments_of_different_length(tmp_path: Path) -> None:
    bilinear = LoadedModel("b", "b", nn.Bilinear(2, 2, 1).eval(), {"input1": InputSpec(), "input2": InputSpec()})
    path = save(tmp_path / "d.npz", input1=np.ones((3, 2)), input2=np.ones((2, 2)))
    fails(r"different numbers of samples \(input1 3, input2 2\)", path, bilinear)


def test_a_model_that_gives_nan(tmp_path: Path) -> None:
    model = plain_model()
    with torch.no_grad():
        next(model.module.parameters()).fill_(float("nan"))
    fails("gives NaN or infinity for the first sample", save(tmp_path / "d.npz", x=np.ones((2, 4))), model)


def folder(path: Path, classes: dict[str, int]) -> Path:
    """An image folder: so many files per class, each filled with its class's grey level."""
    for level, (name, count) in enumerate(classes.items(), 1):
        (path / name).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (6, 5), (level * 20,) * 3).save(path / name / f"{index}.png")
    return path


def test_image_folder(tmp_path: Path) -> None:
    path = folder(tmp_path / "d", {"a": 3, "b": 1, "c": 2})
    (path / "a" / "notes.txt").write_text("no image")
    data = load_data(path, image_model(), "evaluation", limit=4)
    assert data.labels is not None and data.labels.tolist() == [0, 1, 2, 0]  # classes take turns
    assert data.class_names == ("a", "b", "c")
    levels = data.inputs["x"][:, 0, 0, 0]
    np.testing.assert_allclose(levels, np.array([20, 40, 60, 20]) / 255, atol=PIXEL, rtol=0)
    assert data.inputs["x"].shape == (4, 1, 4, 4)


@pytest.mark.parametrize(
    ("folders", "names", "labels"),
    [
        (("0", "2", "10"), (), [0, 10, 2]),  # numbers mean themselves, not their place in the alphabet
        (("dog", "cat"), ("cat", "dog", "eel"), [0, 1]),
        (tuple("abcdefghijkl"), (), list(range(12))),
    ],
)
def test_classes_of_a_folder(
    tmp_path: Path, folders: tuple[str, ...], names: tuple[str, ...], labels: list[int]
) -> None:
    path = folder(tmp_path / "d", dict.fromkeys(folders, 1))
    data = load_data(path, image_model(len(names) or 12, names), "evaluation")
    assert data.labels is not None and data.labels.tolist() == labels


def test_faulty_image_folders(tmp_path: Path) -> None:
    (tmp_path / "empty" / "a").mkdir(parents=True)
    fails("holds no images", tmp_path / "empty", image_model())
    fails("cannot be matched with the 3 classes", folder(tmp_path / "two", {"a": 1, "b": 1}), image_model())
    beyond = "label `3` is no class of net, whose 3 are numbered from 0; say what each means by --labels"
    fails(beyond, folder(tmp_path / "range", {"0": 1, "3": 1}), image_model())
    fails("takes no files of known size", folder(tmp_path / "text", {"a": 1}), plain_model())
    broken = folder(tmp_path / "broken", {"0": 1})
    (broken / "0" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    fails("0.png: not a readable image", broken, image_model())


def test_classes_that_calibration_never_saw(tmp_path: Path) -> None:
    model = image_model(names=("a", "b", "c"))
    whole, part = folder(tmp_path / "all", {"a": 1, "b": 1, "c": 2}), folder(tmp_path / "some", {"a": 1, "c": 1})
    other = folder(tmp_path / "other", {"x": 3})
    judged = load_data(whole, model, "evaluation")

    def line(path: Path, evaluation: Data = judged) -> list[str]:
        return unseen_line(load_calibration(path, model), evaluation, model)

    (found,) = line(part)
    assert found.startswith(f"{part}: no calibration sample of 1 class (1 b): values may exceed the scales there")
    assert line(whole) == line(other) == line(whole / "a") == []  # all are there; names that nothing is known of; none
    arrays = save(tmp_path / "d.npz", x=images(4), y=np.array([0, 0, 2, 2]))
    assert line(arrays) == []  # numbers, where evaluation data have names
    numbered = load_data(save(tmp_path / "n.npz", x=images(4), y=np.array([0, 1, 2, 2])), model, "evaluation")
    assert "(1 b)" in line(arrays, numbered)[0]
    assert line(save(tmp_path / "odd.npz", x=images(4), y=np.zeros((4, 2))), numbered) == []  # which mean nothing
    held = load_data(arrays, model, "evaluation")  # as where evaluation data are held back from one file
    unlabelled = load_data(save(tmp_path / "e.npz", x=images(4)), model, "evaluation")
    assert all("(1 b)" in unseen_line(held, other, model)[0] for other in (judged, unlabelled))
    assert unseen_line(held.take(slice(2)), unlabelled, model) == []  # fewer samples than classes


def test_hidden_files_and_folders_are_no_samples(tmp_path: Path) -> None:
    path = folder(tmp_path / "d", {"a": 2, "b": 1, ".ipynb_checkpoints": 1})
    for name in (".DS_Store", "a/.DS_Store", "a/._0.png", "b/._0.png"):  # what macOS leaves
        (path / name).write_bytes(b"\0\5\x16\7")
    data = load_data(path, image_model(2), "evaluation")
    assert data.labels is not None and data.labels.tolist() == [0, 1, 0]
    (path / "b" / "_0.png").write_bytes(b"\0\5\x16\7")  # the control: what is shown is read
    fails("_0.png: not a readable image", path, image_model(2))


def test_one_number_a_sample_is_no_class(tmp_path: Path, text_model: LoadedModel) -> None:
    """It has no prediction: accuracy and agreement would be 100 % whatever comes out."""
    one = image_model(1)
    path = folder(tmp_path / "d", {"a": 1, "b": 1})
    fails("net gives one number a sample, which is no class: put the files into one folder", path, one)
    assert load_data(path, one, "calibration").labels is None
    (tmp_path / "d.tsv").write_text("text\tlabel\ngood\t1\n")
    fails(
        "gives one number a sample, which is no class: remove their column",
        tmp_path / "d.tsv",
        replace(text_model, classes=1),
    )
    zeros = save(tmp_path / "d.npz", x=X, y=np.zeros(4, np.int64))
    fails("the model gives no class scores to compare them with", zeros, one)
    assert load_data(zeros, image_model(2), "evaluation").labels is not None  # the control
    assert not one.scores and image_model(2).scores and not plain_model().scores


def test_a_flat_folder_calibrates(tmp_path: Path) -> None:
    path = folder(tmp_path / "d", {"a": 2}) / "a"
    assert load_data(path, image_model(), "calibration").labels is None


def test_timm_preprocessing_is_timms_own(tmp_path: Path) -> None:
    """Raw pixels and the model's own normalisation make up what timm's transform does in one."""
    from deploy.sources import load_model

    loaded = load_model("timm:vit_tiny_patch16_224", "random")
    (tmp_path / "7").mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (300, 260, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "7" / "a.png")
    data = load_data(tmp_path, loaded, "evaluation")
    inner = loaded.module.get_submodule("model")
    transform: Any = timm.data.create_transform(**timm.data.resolve_data_config({}, model=inner))
    with torch.no_grad():
        expected = inner(transform(Image.fromarray(pixels))[None])
        got = loaded.module(torch.from_numpy(data.inputs["x"]))
    torch.testing.assert_close(got, expected)
    assert data.labels is not None and data.labels.tolist() == [7]


@pytest.fixture
def text_model(tmp_path: Path) -> LoadedModel:
    words = ["[PAD]", "[UNK]", "good", "bad", "film", "very"]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    (tmp_path / "model").mkdir()
    fast.save_pretrained(tmp_path / "model")

    class Bag(nn.Module):
        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return torch.stack([(input_ids == word).sum(1) for word in (2, 3)], 1).float()

    inputs = {"input_ids": InputSpec("int64", (None,)), "attention_mask": InputSpec("int64", (None,))}
    text = TextInput(str(tmp_path / "model"), 6)
    return LoadedModel("bag", "bag", Bag().eval(), inputs, classes=2, class_names=("pos", "neg"), text=text)


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl"])
def test_texts(tmp_path: Path, text_model: LoadedModel, suffix: str) -> None:
    rows = [("good film", "pos"), ("very bad film", "neg")]
    path = tmp_path / f"d{suffix}"
    if suffix == ".jsonl":
        path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
    else:
        comma = "\t" if suffix == ".tsv" else ","
        path.write_text("".join(comma.join(row) + "\n" for row in [("sentence", "label"), *rows]))
    data = load_data(path, text_model, "evaluation")
    assert data.inputs["input_ids"].tolist() == [[2, 4, 0], [5, 3, 4]]
    assert data.inputs["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert data.labels is not None and data.labels.tolist() == [0, 1]
    assert load_data(path, text_model, "evaluation", tokens=5).inputs["input_ids"].shape == (2, 5)
    assert load_data(path, text_model, "evaluation", tokens=9).inputs["input_ids"].shape == (2, 6)
    calibration = load_calibration(path, text_model)
    assert calibration.labels is None and unseen_line(calibration, data, text_model) == []
    assert "(1 neg)" in unseen_line(calibration.take(slice(1)), data, text_model)[0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("d.csv", "", "holds no rows"),
        ("d.csv", "a,b\n1,2\n", "no column text/sentence.*; its columns are a, b; call the one of texts `text`"),
        ("d.csv", "text,label\ngood,\n", "row 1 has an empty"),
        ("d.tsv", "text\tlabel\ngood\tother\n", "class `other` cannot be matched with the 2 classes of bag"),
        ("d.tsv", "text\tlabel\ngood\t2\n", "label `2` is no class of bag, whose 2 are numbered from 0; say what"),
        ("d.jsonl", "{", "not readable as jsonl"),
        ("d.jsonl", "[1]\n", "every line must be a JSON object"),
    ],
)
def test_faulty_texts(tmp_path: Path, text_model: LoadedModel, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    fails(words, tmp_path / name, text_model)


def test_text_needs_a_tokenizer(tmp_path: Path, text_model: LoadedModel) -> None:
    (tmp_path / "d.csv").write_text("text\ngood\n")
    fails("has no tokenizer", tmp_path / "d.csv", plain_model())
    for file in Path(text_model.text.tokenizer if text_model.text else "").iterdir():
        file.unlink()
    fails("no readable tokenizer", tmp_path / "d.csv", text_model)


def test_hold_out_is_disjoint_and_complete() -> None:
    x = np.arange(10, dtype=np.float32)[:, None]
    data = Data({"x": x}, np.arange(10), (), "here")
    calibration, evaluation = hold_out(data)
    assert [i // 5 for i in evaluation.inputs["x"][:, 0]] == [0, 1]
    assert len(calibration) == 8 and shared_samples(calibration, evaluation) == 0
    assert shared_samples(data, evaluation) == 2
    assert [len(part) for part in hold_out(data.take(slice(0, 2)))] == [1, 1]
    with pytest.raises(DeployError, match="one sample cannot both calibrate and be held back"):
        hold_out(data.take(slice(0, 1)))


@pytest.mark.parametrize("classes", range(2, 12))
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_what_is_held_out_has_every_class_whether_classes_take_turns_or_not(classes: int, share: float) -> None:
    samples = np.arange(40 * classes)
    for labels in (samples % classes, samples * classes // len(samples)):
        for part in hold_out(Data({"x": samples[:, None]}, labels, (), "here"), share):
            assert part.labels is not None and set(part.labels.tolist()) == set(range(classes))


def test_demo_brings_its_own_data(monkeypatch: pytest.MonkeyPatch) -> None:
    from deploy import demo
    from deploy.sources import load_model

    def some(count: int) -> tuple[np.ndarray, np.ndarray]:
        return np.random.default_rng(count).random((count, 1, 28, 28), np.float32), np.arange(count) % 10

    monkeypatch.setattr(demo, "load_model", demo.fashion_vit)
    monkeypatch.setattr(demo, "calibration_data", lambda: some(4))
    monkeypatch.setattr(demo, "evaluation_data", lambda: some(6))
    loaded = load_model()
    assert not loaded.module.training and loaded.example()["x"].shape == (1, 1, 28, 28)
    assert len(load_data(None, loaded, "calibration")) == 4
    data = load_data(None, loaded, "evaluation", limit=5)
    assert data.labels is not None and data.labels.tolist() == [0, 1, 2, 3, 4]
    assert data.class_names[9] == "Ankle boot"
