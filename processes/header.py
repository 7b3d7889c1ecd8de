"""Settings of a whole network: a typed record, which is stored as entries of a file's metadata."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, overload

from processes.errors import DeployError

Precision = Literal["float", "fixed"]
TEXT, WHOLE, REAL = ({"kinds": kinds} for kinds in ((str,), (int,), (float, int)))
"""Types of a field's entry in a file."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """Decisions that concern a whole network; change one by ``dataclasses.replace``.

    None stands for what is not decided at the network's stage. Each stage lists the fields that its networks state, and
    :meth:`stated` reads one that has to be there. ``header.base`` may be read directly where None has a meaning.

    Attributes:
        host: in words, what the host computes of a sample before the network's input (token embeddings, for example);
            None if the network takes the sample itself.
        base: B of the phase code, above 1, by which a spike one step later stands for B times less; where layers have
            bases of their own, the one that stands for them all. 1 in a rate-coded network, whose spikes are worth the
            same.
        timesteps: T, the steps of a neuron's window; where layers have windows of their own, of the longest.
        spikes: most spikes that any neuron sends in a window.
        precision: "float" for real numbers, "fixed" for integers of a chip's widths; None of a lowered network, which
            has no codes yet.
        chip: name of the chip whose widths the integers have.
        input_unit: what one unit of the integers at the input stands for, in the units of the model's input.
        others: entries of a file that this version does not know; they are kept, and written again.
    """

    host: str | None = field(default=None, metadata=TEXT)
    base: float | None = field(default=None, metadata=REAL)
    timesteps: int | None = field(default=None, metadata=WHOLE)
    spikes: int | None = field(default=None, metadata=WHOLE)
    precision: Precision | None = field(default=None, metadata=TEXT)
    chip: str | None = field(default=None, metadata=TEXT)
    input_unit: float | None = field(default=None, metadata=REAL)
    others: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fixed(self) -> bool:
        """Whether the network computes in integers; one without a precision does not."""
        return self.precision == "fixed"

    @overload
    def stated(self, name: Literal["host", "chip", "precision"]) -> str: ...
    @overload
    def stated(self, name: Literal["base", "input_unit"]) -> float: ...
    @overload
    def stated(self, name: Literal["timesteps", "spikes"]) -> int: ...
    def stated(self, name: str) -> Any:
        """The value of a field that the caller needs.

        Raises:
            DeployError: the header does not state the field (it is None).
        """
        if (value := getattr(self, name)) is None:
            raise DeployError(f"the network's header does not state '{name}'; convert the model again")
        return value

    def missing(self, names: Collection[str]) -> list[str]:
        """The ``names`` of fields that are not stated (None), in the given order."""
        return [name for name in names if getattr(self, name) is None]

    def entries(self) -> dict[str, Any]:
        """The stated fields, in their order, and ``others``, as entries of a file's metadata."""
        values = {name: getattr(self, name) for name in KINDS}
        return {name: value for name, value in values.items() if value is not None} | dict(self.others)

    @classmethod
    def of(cls, entries: Mapping[str, Any]) -> Header:
        """Build a header from the entries of a file's metadata.

        Raises:
            DeployError: an entry has another type than its field, or the precision is neither float nor fixed.
        """
        for name, kinds in KINDS.items():
            if name in entries and (not isinstance(entries[name], kinds) or isinstance(entries[name], bool)):
                expected = " or ".join(kind.__name__ for kind in kinds)
                raise DeployError(f"the NIR graph has {name} '{entries[name]}', not {expected}; the file is damaged")
        if (precision := entries.get("precision")) not in (None, *get_args(Precision)):
            raise DeployError(f"the NIR graph has precision '{precision}', not float or fixed; the file is damaged")
        known = {name: value for name, value in entries.items() if name in KINDS}
        return cls(**known, others={name: value for name, value in entries.items() if name not in KINDS})


KINDS: dict[str, tuple[type, ...]] = {f.name: f.metadata["kinds"] for f in dataclasses.fields(Header) if f.metadata}
"""Types that an entry in a file may have, by field."""
