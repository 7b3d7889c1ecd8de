"""Tables strictly, in any encoding that says which it is; labels as the model's configuration means them, or not at all."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import nn

from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.sources import InputSpec, LoadedModel, load_both, load_calibration, load_data
from deploy.sources.classes import class_numbers, label_table, read_labels
from deploy.sources.loaded import TextInput
from deploy.sources.preprocessing import timm_input
from deploy.sources.tables import read_rows


def model(classes: int | None, names: tuple[str, ...] = ()) -> LoadedModel:
    size = (1, 4, 4)
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, classes or 2)).eval()
    image = timm_input(size, interpolation="nearest", crop_pct=1.0)
    return LoadedModel("net", "net", module, {"x": InputSpec("float32", size)}, "", classes, names, image)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_encodings_and_quotes_round_trip(tmp_path: Path, encoding: str, suffix: str) -> None:
    texts = ["plain", 'the film, "was" good', "a\tdull story", "two\nlines", "Žižek’s 電影", "'single'"]
    file = io.StringIO(newline="")
    if suffix == "jsonl":
        file.write("".join(json.dumps({"text": t, "label": 1}) + "\n" for t in texts))
    else:
        csv.writer(file, delimiter="\t" if suffix == "tsv" else ",").writerows(
            [("text", "label"), *((t, 1) for t in texts)]
        )
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(file.getvalue().encode(encoding))
    assert [row.fields["text"] for row in read_rows(path)] == texts


def test_quotes_that_are_characters_stay(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text('sentence\tlabel\n"Good" film\t1\nsay "yes\t0\n')
    assert [row.fields["sentence"] for row in read_rows(tmp_path / "t.tsv")] == ['"Good" film', 'say "yes']
    (tmp_path / "t.csv").write_text("text;label\na, b;1\n")  # Excel where the decimal sign is a comma
    assert [row.fields["text"] for row in read_rows(tmp_path / "t.csv")] == ["a, b"]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (b"text,label\ra,1\r", ["a"]),  # ends of lines as old Macintoshes wrote them
        (b"text,label\r\n\r\na,1\r\n\r\n", ["a"]),
        (b",text,label\n0,a,1\n", ["a"]),  # DataFrame.to_csv with its index
        (b'text;label\n"a;b";1\n', ["a;b"]),
        (b"text,label\n", []),
        (b"", []),
    ],
)
def test_tables_of_other_programs(tmp_path: Path, content: bytes, texts: list[str]) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert [row.fields["text"] for row in read_rows(tmp_path / "t.csv")] == texts


@pytest.mark.parametrize("content", ["", "text,label\n"])
def test_tables_without_a_row_are_no_data(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    text = LoadedModel("net", "net", nn.Identity(), {"input_ids": InputSpec("int64", (None,))}, text=TextInput("none"))
    with pytest.raises(DeployError, match=r"t\.csv"):
        load_data(tmp_path / "t.csv", text, "evaluation")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", "text,label\na,1\n".encode("utf-16-le"), "without a byte-order mark"),
        ("t.csv", "text,label\na,1,\n", "line 2 has 3 fields"),
        ("t.csv", "text,label\na,1\nb, c,0\n", "line 3 has 3 fields, the header 2"),
        ("t.csv", "text,label\na\n", "line 2 has 1 fields"),
        ("t.csv", 'text,label\n"a" b,1\n', "line 2: not readable as csv"),
        ("t.tsv", "text\tlabel\na\tb\t1\n", "line 2 has 3 fields, .* tabs"),
        ("t.tsv", 'text\tlabel\n"a\t1\nb"\t0\n', "line 3: a quote may open"),
        ("t.csv", "text,text\na,b\n", "two columns are called `text`"),
        ("t.csv", b"text\n\xe9t\xe9\n", "UTF-16 with a byte-order mark"),
        ("t.jsonl", '{"text": "a"}\n' + "[" * 99999, "line 2: not readable as jsonl"),
    ],
)
def test_faulty_tables_are_refused_with_their_line(tmp_path: Path, name: str, content: Any, words: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DeployError, match=words):
        read_rows(tmp_path / name)


STARS = ("1 star", "2 stars")


@pytest.mark.parametrize(
    ("labels", "names", "numbers"),
    [
        (["cat", "DOG"], ("Dog", "Cat"), [1, 0]),
        (["golden_retriever", "Cat"], ("cat", "golden retriever"), [1, 0]),
        (["0", "1.0", "1"], ("Dog", "Cat"), [0, 1, 1]),
        (["10", "20"], ("10", "20"), [0, 1]),  # the configuration's names, though they are numbers
        (["0", "1", "10", "2"], ("0", "1", "10", "2"), [0, 1, 2, 3]),  # trained on folders sorted as text
        (["LABEL_1", "label_0"], (), [1, 0]),
        (["cat", "CAT"], ("CAT", "cat"), [1, 0]),
    ],
)
def test_labels_mean_what_the_configuration_says(labels: list[str], names: tuple[str, ...], numbers: list[int]) -> None:
    own = model(len(names) or 2, names)
    found = class_numbers(labels, own, "here")
    assert [found[label] for label in labels] == numbers
    rows = label_table(labels, found, own)
    assert [row.number for row in rows] == sorted(found.values()) and sum(row.samples for row in rows) == len(labels)


@pytest.mark.parametrize(
    ("labels", "names", "folders"),
    [
        (["good", "bad"], ("pos", "neg"), True),  # as many as classes, but other names
        (["good", "bad"], (), False),
        (["Cat"], ("cat", "CAT"), False),
        (["0", "1", "2"], ("1", "2", "3"), False),
        (["1.5", "0"], (), False),
        (["True", "False"], (), False),
        ([str(i) for i in range(12)], (), True),
    ],
)
def test_ambiguous_labels_are_refused_with_the_remedy(labels: list[str], names: tuple[str, ...], folders: bool) -> None:
    own = model(len(names) or (12 if len(labels) == 12 else 2), names)
    with pytest.raises(DeployError, match=r"--labels map\.json"):
        class_numbers(labels, own, "here", folders=folders)
    given = {label: number % 2 for number, label in enumerate(labels)}
    assert class_numbers(labels, own, "here", given, folders) == given  # and the remedy helps


def test_labels_files(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text('{"a": 1, "b": "Dog"}', encoding="utf-8-sig")
    assert ConvertOptions(labels=path).label_map == {"a": 1, "b": "Dog"}
    assert class_numbers(["a", "b"], model(2, ("dog", "cat")), "here", read_labels(path)) == {"a": 1, "b": 0}
    for content in ("[1]", '{"a": 1.5}', '{"a": true}', "{", "[" * 99999):
        path.write_text(content)
        with pytest.raises(DeployError, match="--labels"):
            read_labels(path)
    for given in ({"a": 2, "b": 0}, {"a": 0}, {"a": "eel", "b": 0}):
        with pytest.raises(DeployError, match="--labels"):
            class_numbers(["a", "b"], model(2, ("dog", "cat")), "here", given)


def test_labels_of_an_archive_may_be_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 1, 4, 4), np.float32), y=np.array(["cat", "dog"]))
    data = load_data(tmp_path / "d.npz", model(2, ("dog", "cat")), "evaluation")
    assert data.labels is not None and data.labels.tolist() == [1, 0] and len(data.label_table) == 2


def folder(path: Path, counts: dict[str, int]) -> Path:
    level = 0
    for name, count in counts.items():
        (path / name).mkdir(parents=True)
        for index in range(count):
            level += 1
            Image.new("L", (4, 4), level).save(path / name / f"{index:03d}.png")
    return path


def levels(data: Any) -> list[int]:
    return np.rint(255 * data.inputs["x"][:, 0, 0, 0]).astype(int).tolist()


def test_calibration_draws_from_every_class_and_reads_nothing_else(tmp_path: Path) -> None:
    path = folder(tmp_path / "d", {"0": 40, "1": 40})
    drawn = load_calibration(path, model(2), 10, seed=3)
    assert len(drawn) == 10 and sum(level <= 40 for level in levels(drawn)) == 5
    assert levels(drawn) == levels(load_calibration(path, model(2), 10, seed=3))
    assert levels(drawn) != levels(load_calibration(path, model(2), 10, seed=4))
    unread = next(i for i in range(40) if i + 1 not in levels(drawn))
    (path / "0" / f"{unread:03d}.png").write_bytes(b"broken")
    assert levels(drawn) == levels(load_calibration(path, model(2), 10, seed=3))
    with pytest.raises(DeployError, match="not a readable image"):
        load_calibration(path, model(2))


def test_one_folder_for_both_is_split_before_it_is_read(tmp_path: Path) -> None:
    path = folder(tmp_path / "d", {"0": 20, "1": 20})
    calibration, evaluation = load_both(path, model(2), 6, None, 0)
    assert len(calibration) == 6 and len(evaluation) == 8 and not set(levels(calibration)) & set(levels(evaluation))
    assert evaluation.labels is not None and evaluation.labels.tolist() == [
        int(level > 20) for level in levels(evaluation)
    ]
    assert levels(load_both(path, model(2), 30)[1]) == levels(evaluation)  # whatever calibrates
    assert len(load_both(path, model(2), 6, 3)[1]) == 3
