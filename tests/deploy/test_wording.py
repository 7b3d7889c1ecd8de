"""Text of the page as markup."""

from __future__ import annotations

import html
import re

from deploy.report.wording import below, breakable, typed, unbroken

COMMAND = "deploy convert --model timm:x --model-args 'img_size=28, depth=4' --calib 'a <b>'"


def test_names_break_behind_dots_and_underscores_alone() -> None:
    assert breakable("blocks.0.attn_drop") == "blocks.<wbr>0.<wbr>attn_<wbr>drop"
    assert breakable("<b>. end.") == "&lt;b&gt;. end."


def test_commands_break_between_words_and_say_the_same() -> None:
    spans = re.findall("<span>(.*?)</span>", unbroken(COMMAND))
    assert "--model-args" in spans and "&#39;img_size=28, depth=4&#39;" in spans
    assert html.unescape(" ".join(spans)) == COMMAND
    assert unbroken("it's <open>") == "it&#39;s &lt;open&gt;"  # never closed: as it is


def test_what_is_typed_is_code_and_the_rest_is_text() -> None:
    code = "<code><span>a</span> <span>&lt;b&gt;</span></code>"
    assert typed("run `a <b>`, then <c>") == f"run {code}, then &lt;c&gt;"


def test_an_interval_stands_below_its_share() -> None:
    share = "90.00 % (82.56 to 94.48 %, n = 100)"
    assert below(share).replace("\u00a0", " ") == "90.00 %<small>82.56 to 94.48 %, n = 100</small>"
    assert below(share, counted=False).replace("\u00a0", " ") == "90.00 %<small>82.56 to 94.48 %</small>"
    assert below("45 nm (all)") == "45 nm (all)" and below(None) == "None" and below("<b>") == "&lt;b&gt;"
