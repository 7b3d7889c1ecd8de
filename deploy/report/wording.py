"""Text of the page as markup: line breaks within names and commands, parts set as commands, shares with intervals."""

from __future__ import annotations

import re

from markupsafe import Markup, escape


def breakable(name: str) -> Markup:
    """A dotted name in which lines may break after dots and underscores only."""
    return Markup(re.sub(r"([._])(?=\w)", r"\1<wbr>", str(escape(name))))


def unbroken(command: str) -> Markup:
    """A command line in which lines may break between words only, not within an option such as --batch-size."""
    words = re.findall(r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"])+", command)
    if " ".join(words) != command:  # a quote that is never closed
        return escape(command)
    return Markup(" ").join(Markup("<span>{}</span>").format(word) for word in words)


def typed(text: str) -> Markup:
    """Text whose parts between backticks are set as commands, in which lines may break between words only."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick that is never closed
        return escape(text)
    marked = (Markup("<code>{}</code>").format(unbroken(p)) if n % 2 else escape(p) for n, p in enumerate(parts))
    return Markup().join(marked)


def below(value: object, counted: bool = True) -> Markup:
    """A share with its interval on a line below, which keeps columns narrow; any other value unchanged.

    Args:
        value: a :class:`deploy.shares.Share`, its text, or another value.
        counted: whether the number of samples follows the interval.
    """
    found = re.fullmatch(r"([^(]*%) \((.*), (n = .*)\)", str(value))
    if found is None:
        return escape(value)
    share, interval, samples = (
        part.replace(" %", "\u00a0%").replace(" = ", "\u00a0=\u00a0") for part in found.groups()
    )
    return Markup("{}<small>{}</small>").format(share, f"{interval}, {samples}" if counted else interval)
