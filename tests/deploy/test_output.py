from pathlib import Path

import pytest

from deploy.errors import DeployError
from deploy.output import GRAPH, REPORT, is_conversion, output_folder, require_conversion


def write(folder: Path, text: str = "new") -> None:
    (folder / GRAPH).write_text(text)
    (folder / REPORT).write_text(text)


def test_appears_when_complete(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with output_folder(out) as folder:
        write(folder)
        assert not out.exists()
    assert is_conversion(out)
    assert require_conversion(out) == out
    assert [entry.name for entry in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_after_an_exception(tmp_path: Path, error: type[BaseException]) -> None:
    out = tmp_path / "out"
    with pytest.raises(error), output_folder(out) as folder:
        write(folder)
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_conversion_needs_force_and_survives_a_failure(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    write(out, "old")
    with (
        pytest.raises(DeployError, match="already holds a conversion; --force replaces it"),
        output_folder(out),
    ):
        pytest.fail("the block must not run")
    with pytest.raises(ValueError), output_folder(out, force=True) as folder:
        write(folder)
        raise ValueError
    assert (out / REPORT).read_text() == "old"
    with output_folder(out, force=True) as folder:
        write(folder)
    assert (out / REPORT).read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_is_free(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with output_folder(tmp_path / "out") as folder:
        write(folder)
    assert is_conversion(tmp_path / "out")


@pytest.mark.parametrize("force", [False, True])
def test_other_files_are_never_removed(tmp_path: Path, force: bool) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with (
        pytest.raises(DeployError, match=r"holds other files \(thesis.tex\)"),
        output_folder(tmp_path, force),
    ):
        pytest.fail("the block must not run")
    assert (tmp_path / "thesis.tex").exists()


def test_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeployError, match="is a file; choose a folder"), output_folder(tmp_path / "file"):
        pytest.fail("the block must not run")
    with pytest.raises(DeployError, match="cannot be written"), output_folder(tmp_path / "file" / "out"):
        pytest.fail("the block must not run")
    # Nobody can make folders there, not even root.
    with pytest.raises(DeployError, match="cannot be written"), output_folder(Path("/proc/out")):
        pytest.fail("the block must not run")


def test_what_is_no_conversion(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="no such folder"):
        require_conversion(tmp_path / "none")
    with pytest.raises(DeployError, match=r"holds no graph\.nir and report\.json"):
        require_conversion(tmp_path)
