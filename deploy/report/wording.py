"""Text of the page as markup: where names may break and where commands may not, and what of it is typed."""

from __future__ import annotations

import re

from markupsafe import Markup, escape


def breakable(name: str) -> Markup:
    """A dotted name that lines break behind its dots and underscores, and nowhere within a word."""
    return Markup(re.sub(r"([._])(?=\w)", r"\1<wbr>", str(escape(name))))


def unbroken(command: str) -> Markup:
    """A command line that lines break between its words, not within an option that begins with dashes."""
    words = re.findall(r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"])+", command)
    if " ".join(words) != command:  # a quote that is never closed
        return escape(command)
    return Markup(" ").join(Markup("<span>{}</span>").format(word) for word in words)


def typed(text: str) -> Markup:
    """Text whose parts between backticks are commands, which lines do not break within a word."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick that is never closed
        return escape(text)
    marked = (Markup("<code>{}</code>").format(unbroken(p)) if n % 2 else escape(p) for n, p in enumerate(parts))
    return Markup().join(marked)


def below(value: object, counted: bool = True) -> Markup:
    """A share, or another value as it is; of a share the interval stands below it, so that a column need not hold both.

    counted: whether the number of samples stands there too.
    """
    found = re.fullmatch(r"([^(]*%) \((.*), (n = .*)\)", str(value))
    if found is None:
        return escape(value)
    share, interval, samples = (
        part.replace(" %", "\u00a0%").replace(" = ", "\u00a0=\u00a0") for part in found.groups()
    )
    return Markup("{}<small>{}</small>").format(share, f"{interval}, {samples}" if counted else interval)
