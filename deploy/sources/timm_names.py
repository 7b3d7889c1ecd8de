"""Names of timm's models, read from its source files, so that a misspelt name is refused without importing PyTorch."""

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
    """Source text of all of timm's model modules together; empty if timm is not installed."""
    found = importlib.util.find_spec("timm")
    if found is None or found.origin is None:
        return ""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(Path(found.origin).parent.glob("models/*.py")))


@functools.cache
def registered() -> tuple[str, ...]:
    """Names of the models that timm's source files register."""
    return tuple(REGISTERED.findall(_sources()))


def perhaps_known(name: str) -> bool:
    """Whether timm may have a model of this name, with or without a tag of weights.

    False only if the name occurs nowhere in timm's source files, so deprecated names, which stand in tables there,
    pass.
    """
    return re.search(rf"\b{re.escape(name.partition('.')[0])}\b", _sources()) is not None


def unknown(name: str) -> DeployError:
    """The error for a model that timm does not have, with similar names."""
    near = difflib.get_close_matches(name, registered(), n=NEAR, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "timm.list_models() lists them"
    return DeployError(f"timm:{name}: timm {version('timm')} has no such model; {hint}")
