"""Names of timm's models, read in its sources: importing timm, and PyTorch with it, takes seconds, which no refusal should."""

from __future__ import annotations

import difflib
import functools
import importlib.util
import re
from importlib.metadata import version
from pathlib import Path

from deploy.errors import DeployError

REGISTERED = re.compile(r"^@register_model\s+def (\w+)", re.MULTILINE)
NEAR = 3  # names that are suggested, at most


@functools.cache
def _sources() -> str:
    """All of timm's modules of models as one text; empty where there is no such package."""
    found = importlib.util.find_spec("timm")
    if found is None or found.origin is None:
        return ""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(Path(found.origin).parent.glob("models/*.py")))


@functools.cache
def registered() -> tuple[str, ...]:
    """Names that timm's sources register."""
    return tuple(REGISTERED.findall(_sources()))


def perhaps_known(name: str) -> bool:
    """Whether timm may have a model of this name, with or without a tag of weights: False only if no source has the word.

    Old names of models are known too; they stand in tables, as words.
    """
    return re.search(rf"\b{re.escape(name.partition('.')[0])}\b", _sources()) is not None


def unknown(name: str) -> DeployError:
    """What to tell a user who asked for a model that timm does not have."""
    near = difflib.get_close_matches(name, registered(), n=NEAR, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "timm.list_models() lists them"
    return DeployError(f"timm:{name}: timm {version('timm')} has no such model; {hint}")
