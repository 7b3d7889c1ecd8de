"""Terminals that print text literally: names in other people's files act neither as markup nor as control codes."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
"""Control characters other than tab and newline, mapped to the replacement character."""


def plain(text: str) -> str:
    """Replace control characters, which a terminal would obey."""
    return text.translate(CONTROLS)


class Terminal(Console):
    """A console without markup and emoji codes, in notebooks too; bold text has to be a :class:`rich.text.Text`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, force_jupyter=False, **settings)

    def render_str(self, text: str, **settings: Any) -> Text:
        """Render a string that is printed, alone or in a table, without its control characters."""
        return super().render_str(plain(text), **settings)
