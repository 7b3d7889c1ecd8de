"""The pages in headless Chromium: nothing on the console, both themes, a narrow screen, tables that sort.

Screenshots go to the folder that SCREENSHOTS names, out/screenshots if it names none. `make report-check` runs this.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.compare import Comparison, Row
from deploy.compare import write_page as write_comparison
from deploy.measure import AttentionMap
from deploy.measure.flops import flops_formula
from deploy.options import ConvertOptions
from deploy.place import placed
from deploy.report import render
from deploy.report.sweep import write_page
from deploy.schema import Joules, Sweep
from tests.deploy.reports import point
from tests.deploy.test_report import contents, network

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SHOTS = Path(os.environ.get("SCREENSHOTS", "out/screenshots")).absolute()

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium (apt install chromium); the pages were not looked at"
)

PROBE = """<script>
const sorted = [...document.querySelectorAll("table.sortable")].map((table) => {
  const first = () => [...table.tBodies[0].rows].map((row) => row.cells[0].dataset.value);
  const orders = [first()];
  for (let n = 0; n < 2; n++) { table.tHead.querySelector("button").click(); orders.push(first()); }
  return orders;
});
const probe = document.createElement("pre");
probe.id = "probe";
probe.textContent = JSON.stringify({
  background: getComputedStyle(document.body).backgroundColor,
  overflow: document.documentElement.scrollWidth - window.innerWidth,
  width: window.innerWidth, sorted,
  cut: [...document.querySelectorAll(".scroll table")].filter((table) => {
    const box = table.parentElement.getBoundingClientRect(), own = table.getBoundingClientRect();
    return own.width && own.right > box.right + 1;
  }).length,
});
document.body.append(probe);
</script>"""


def look(page: Path, folder: Path, shot: str, width: int, dark: bool) -> dict[str, Any]:
    """Screenshot of a page, and what a script in it finds; fails if anything is said on the console."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    probed = folder / "probed.html"
    probed.write_text(page.read_text(encoding="utf-8").replace("</body>", PROBE + "</body>"), encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}", f"--window-size={width},2600", "--enable-logging=stderr",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
    ]  # fmt: skip
    taken = subprocess.run(
        [*command, f"--screenshot={SHOTS / shot}", str(page)], capture_output=True, text=True, timeout=120
    )
    dumped = subprocess.run([*command, "--dump-dom", str(probed)], capture_output=True, text=True, timeout=120)
    said = [line for line in (taken.stderr + dumped.stderr).splitlines() if "CONSOLE" in line]
    assert said == []
    assert (SHOTS / shot).stat().st_size > 10_000
    found = re.search(r'<pre id="probe">(.*?)</pre>', dumped.stdout, re.DOTALL)
    assert found is not None
    return json.loads(html.unescape(found.group(1)))


def brightness(colour: str) -> float:
    return sum(int(n) for n in re.findall(r"\d+", colour)[:3]) / 3


def report_page(folder: Path) -> Path:
    report, figures = contents()
    rng = np.random.default_rng(0)
    image = [
        AttentionMap(f"blocks.{n}.softmax", 2, rng.random((4, 4)), rng.random((4, 4)), 0.99, True) for n in range(3)
    ]
    words = AttentionMap(
        "text.softmax", 2, rng.random((5, 5)), rng.random((5, 5)), 0.98, False, ("a", "<b>", "c", "d", "e")
    )
    net = network()
    report = replace(report, placement=placed(net), flops_formula=flops_formula(net, report.layers))
    figures = replace(figures, attention=[*image, words], sample=rng.random((1, 28, 28)))
    (folder / "report.html").write_text(render(report, figures), encoding="utf-8")
    return folder / "report.html"


def sweep_page(folder: Path) -> Path:
    points = tuple(
        point(
            t, base=b, chosen_base=b, ann_accuracy=0.9, accuracy=0.9 - 1 / t, relative_error=b / t, spikes_per_neuron=0.5,
            energy={"45nm-memory": Joules(title="all", snn=t * b, fp32=5.0, int8=1.0)},
        )
        for t in (8, 16, 40) for b in (1.15, 1.4)
    )  # fmt: skip
    fronts = {"45nm-memory": (0, 2, 4), "latency": (0,)}
    write_page(folder / "sweep.html", Sweep(options=ConvertOptions("<demo>"), points=points, fronts=fronts))
    return folder / "sweep.html"


def compare_page(folder: Path) -> Path:
    rows = (Row("accuracy", ("90.1 %", "90.3 %"), (1,)), Row("spikes per sample", (None, "182,000")))
    write_comparison(Comparison("<demo>", ("one", "two"), rows), folder / "compare.html")
    return folder / "compare.html"


@pytest.mark.parametrize("make", [report_page, sweep_page, compare_page], ids=["report", "sweep", "compare"])
@pytest.mark.parametrize(("theme", "width"), [("light", 1200), ("dark", 1200), ("light", 500), ("dark", 500)])
def test_pages(make: Any, theme: str, width: int, tmp_path: Path) -> None:
    name = make.__name__.split("_")[0]
    found = look(make(tmp_path), tmp_path, f"{name}-{theme}-{width}.png", width, theme == "dark")
    assert (brightness(found["background"]) < 80) == (theme == "dark")
    assert found["width"] == width and found["overflow"] <= 0
    assert width > 560 or found["cut"] == 0, "on a narrow screen no table is cut"
    for before, up, down in found["sorted"]:
        assert sorted(before) == sorted(up) and up == down[::-1] and len(before) > 1
    assert found["sorted"] or name == "compare"
