"""What the page, the terminal and the comparison say of a conversion is true of what was run: each with its opposite."""

from __future__ import annotations

import io
import re
import shlex
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import scipy.stats
from rich.console import Console

from deploy.cli import main
from deploy.compare import comparison
from deploy.console import summary, sweep_table
from deploy.energy import USUAL
from deploy.energy.conventions import conventions
from deploy.energy.tables import FORMULA, energy_tables
from deploy.options import ConvertOptions
from deploy.options.command import command
from deploy.report.headline import EIGHT_BITS, answers, tiles, verdict
from deploy.report.page import Figures, render
from deploy.schema import (
    Code,
    Cost,
    Exactness,
    FlopsFormula,
    Original,
    OriginalCost,
    Originals,
    Placement,
    Rung,
    Search,
    Spiking,
    Term,
)
from deploy.shares import Share, share_of
from targets import registry
from targets.placement.chip import NAMES, load_chip
from tests.deploy.reports import conversion, point, report


def printed(shown: Any, width: int = 110) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(shown)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("right", "samples"), [(2, 2), (0, 2), (912, 1000), (1, 3), (50, 100)])
def test_the_interval_is_wilsons(right: int, samples: int) -> None:
    wanted = scipy.stats.binomtest(right, samples).proportion_ci(0.95, method="wilson")
    low, high = Share(right / samples, samples).interval
    assert abs(low - wanted.low) < 1e-12 and abs(high - wanted.high) < 1e-12


def test_two_samples_at_100_percent_are_not_sure() -> None:
    assert Share(1.0, 2).sure == "34.24 to 100.00 %, n = 2"
    assert share_of(None, 5) is None and share_of(0.5, 0) is None


def test_shares_stand_with_their_interval_everywhere(tmp_path: Path) -> None:
    few = {"snn": Spiking(accuracy=1.0), "agreement": 1.0, "samples": 2}
    held = report(**few, ladder=(Rung(name="lava-sim fixed", samples=2, accuracy=1.0, agreement=0.5),))
    page, table = render(held, Figures()), printed(summary(held))
    assert page.count("34.24 to 100.00") == 3 and "9.45 to 90.55" in page  # two tiles, two cells of the ladder
    assert table.count("34.24 to 100.00") == 2
    folders = [conversion(tmp_path / name, **few) for name in "ab"]
    rows = {row.label: row for row in comparison(folders).rows}
    assert "n = 2" in str(rows["accuracy, spiking network"].values[0])


EXACT = Exactness(compared_spikes=60, mismatches=0, saturations=1, samples=2)


def test_the_closed_form_is_not_compared_with_itself() -> None:
    for exactness in (None, EXACT):  # older reports compared it
        held = report(target="closed-form", exactness=exactness)
        tile = next(tile for tile in tiles(held) if tile.label == "Mismatches")
        assert tile.value == "not stepped" and "deploy verify OUT" in tile.note and not tile.bad
        shown = " ".join(printed(summary(held)).split())
        assert "not stepped; run `deploy verify OUT`" in shown and "of which differ" not in shown
        assert "against closed form" not in render(held, Figures())
    stepped = report(target="lava-sim", exactness=EXACT)
    assert "of 60 spikes, lava-sim against closed form" in render(stepped, Figures())
    assert "of which differ" in printed(summary(stepped)) and "not stepped" not in printed(summary(stepped))


def code(name: str, base: float) -> Code:
    return Code(name=name, base=base, spikes=1, scale=1.0, error_before=0.1, error_after=0.1, spikes_per_sample=1.0)


def test_a_comparison_shows_the_settings_that_differ(tmp_path: Path) -> None:
    options = ConvertOptions(timesteps=16).in_force()
    first = conversion(
        tmp_path / "a", options=options, base=1.3, timesteps=16, codes=(code("x", 1.15), code("y", 1.5)),
    )  # fmt: skip
    second = conversion(tmp_path / "b", options=replace(options, base=1.4, spikes=2), base=1.4, timesteps=16)
    rows = {row.label: row.values for row in comparison([first, second]).rows}
    assert rows["base B"] == ("1.15 to 1.5 (auto, layer by layer)", "1.4, as given")
    assert rows["spikes"] == ("1", "2")
    assert not {"method", "arithmetic", "window T", "target", "winner", "seed"} & set(rows)
    assert "window T" in {row.label for row in comparison([first, conversion(tmp_path / "c", timesteps=8)]).rows}


def test_the_page_says_who_chose_the_base() -> None:
    options = ConvertOptions().in_force()
    chosen = report(options=options, codes=(code("x", 1.15), code("y", 1.5)))
    assert "B = 1.15 to 1.5 (auto, layer by layer)" in render(chosen, Figures())
    assert "B = 1.4, as given" in render(report(options=replace(options, base=1.4)), Figures())


def placement(**known: Any) -> Placement:
    return Placement(cores=87, chips=1, fits=True, neurons=9, synapses=9, not_checked=(), layers=(), **known)


@pytest.mark.parametrize("chip", NAMES)
def test_cores_of_a_chip_stand_with_what_is_missing(chip: str) -> None:
    page = render(report(placement={chip: placement()}), Figures())
    assert "87 cores, 1 chip, on paper" in page and "Nothing of this runs there yet." in page
    for need in load_chip(chip).needs:
        assert need.partition("'")[0].replace("`", "") in re.sub("</?(code|span)>", "", page)
    assert any("microcode" in need for need in load_chip("loihi2").needs)


def test_low_variance_says_what_to_do_where_it_stands() -> None:
    (tile,) = (tile for tile in tiles(report(low_variance_rows=3)) if tile.label == "Low-variance rows")
    assert tile.bad and "deviation" in tile.note and "--timesteps" in tile.note and "calibrate" in tile.note
    assert not [tile for tile in tiles(report(low_variance_rows=0)) if tile.label == "Low-variance rows"]


def test_the_transform_of_images_is_on_the_page() -> None:
    how = "transformers' ViTImageProcessor: resize to 224"
    assert "read by <b>transformers&#39; ViTImageProcessor" in render(report(transform=how), Figures())
    assert "read by" not in render(report(), Figures())


def test_the_closed_form_promises_no_speed_that_reports_contradict() -> None:
    assert "about the speed" not in registry()["closed-form"].about


def cost(title: str) -> Cost:
    original = OriginalCost(microjoules=9.0)
    return Cost(
        title=title, about="", source="", snn_microjoules=1.0, snn_terms=(), ann=Originals(fp32=original, int8=original)
    )


def test_every_convention_has_one_name_and_is_counted(tmp_path: Path) -> None:
    numbers = dict.fromkeys(
        ("flops", "additions", "snn_microjoules", "ann_microjoules", "ann_int8_microjoules", "snn_omitted_microjoules",
         "ann_omitted_microjoules", "ann_int8_omitted_microjoules"), 1.0,
    )  # fmt: skip
    known = {
        "energy": {c.name: cost(c.title) for c in conventions()}, "flops_formula": FlopsFormula(source="", **numbers),
    }  # fmt: skip
    titles = [*(c.title for c in conventions()), FORMULA]
    page, table = render(report(**known), Figures()), printed(next(energy_tables(report(**known))), 160)
    folders = [conversion(tmp_path / name, **known) for name in "ab"]
    rows = [row.label for row in comparison(folders).rows]
    assert f"by {len(titles)} conventions" in page
    for title in titles:
        assert f"<b>{title}</b>" in page and title in table
        assert f"{title}: spiking, \N{MICRO SIGN}J" in rows
    docs = (Path(__file__).parents[2] / "docs" / "energy.md").read_text(encoding="utf-8")
    assert all(f"\n| {title} |" in docs for title in titles)


def test_a_sweep_says_how_sure_its_accuracy_is() -> None:
    shown = printed(sweep_table(Search(points=(point(8, accuracy=0.5), point(9, accuracy=0.9)))))
    assert "accuracy on 100 samples: 95 % intervals of up to ± 9.6 points" in " ".join(shown.split())
    assert "intervals" not in printed(sweep_table(Search(points=(point(8, output_cosine=0.5),))))


def test_the_first_screen_answers() -> None:
    spiking = Term(what="all", event="x", picojoules_each=1.0, microjoules=2.0, source="")
    ann = Originals(
        fp32=OriginalCost(microjoules=4.0), int8=OriginalCost(microjoules=0.5, microjoules_with_omitted=1.0)
    )
    priced = Cost(title="T", about="", source="", snn_microjoules=2.0, snn_terms=(spiking,), ann=ann)
    held = report(
        samples=1000, snn=Spiking(accuracy=0.90), ann=Original(accuracy=0.91), energy={USUAL: priced},
        placement={"loihi2": placement()}, created="2026-01-31 12:00 UTC", versions={"torch": "2"},
        options=ConvertOptions(model="timm:x", calib=Path("a b"), timesteps=16, spikes=2, overrides={"*": {"base": 1.3}}),
        ladder=(Rung(name=EIGHT_BITS, samples=1000, accuracy=0.88),),
    )  # fmt: skip
    said = verdict(held)
    assert "90.00\u00a0% of the samples, 1.00 points below the original, a difference that 1,000 samples cannot" in said
    assert (
        "takes 0.5 times the energy of the original in FP32 and 2 times that in INT8" in said
        and "99 time steps" in said
    )
    assert "more than 1,000 samples would show by chance" in verdict(replace(held, ann=Original(accuracy=0.95)))
    assert "as often as the original" in verdict(replace(held, ann=Original(accuracy=0.90)))
    labels = {tile.label: tile for tile in answers(held)}
    assert list(labels) == ["Accuracy", "Energy, per sample", "Chips", "Latency"]
    assert "with 8-bit weights is right on 88.00" in labels["Energy, per sample"].note
    assert "microcode" in labels["Chips"].note and "nothing of this runs there yet" in labels["Chips"].note
    page = render(held, Figures())
    first, rest = (part.replace("<span>", "").replace("</span>", "") for part in page.split("<h2", 1))
    for answer in (
        "2026-01-31 12:00 UTC",
        "Contents",
        'href="#s1"',
        "deploy convert --model timm:x --calib &#39;a b&#39;",
    ):
        assert answer in first and answer not in rest.split("<script>")[0], answer
    assert "Mismatches" in rest and "Mismatches" not in first
    assert all(f'<h2 id="s{n}">' in page for n in range(1, page.count("<h2") + 1))
    bare = render(report(options=ConvertOptions(model="module:Net")), Figures())
    assert "makes this page again" not in bare and "was measured without labels" in bare


def test_the_command_asks_for_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ConvertOptions(
        model="timm:x", weights=Path("w.pt"), calib=Path("a b"), evaluation=Path("e"), timesteps=16, base=1.4, spikes=2,
        blocks=True, strict=True, batch_size=8, budget=0.5, overrides={"*.softmax": {"spikes": 2}}, out=Path("o"),
    )  # fmt: skip
    got: list[ConvertOptions] = []

    def convert_files(options: ConvertOptions, progress: Any) -> Any:
        got.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("deploy.api.convert_files", convert_files)
    monkeypatch.setattr(sys.modules["deploy.cli.convert"], "check_conversion", lambda _: None)  # no such files
    assert main(shlex.split(command(asked))[1:]) == 130
    for one in fields(ConvertOptions):
        mine, theirs = getattr(asked.in_force(), one.name), getattr(got[0].in_force(), one.name)
        assert str(mine) == str(theirs), one.name
    assert command(ConvertOptions()) == "deploy convert"
