"""Terminals on which text is text: names in a report or a file that somebody else made are no markup and no control codes."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
"""What a terminal obeys instead of showing it."""


def plain(text: str) -> str:
    """Text without what a terminal obeys."""
    return text.translate(CONTROLS)


class Terminal(Console):
    """A console without markup and emoji codes, in notebooks too; what is meant to be bold is a :class:`rich.text.Text`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, force_jupyter=False, **settings)

    def render_str(self, text: str, **settings: Any) -> Text:
        """Every string that is printed, alone or in a table."""
        return super().render_str(plain(text), **settings)
