"""What came of a run of an operator, in a form that can be compared."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

import numpy as np

from penstock.operator import Output, RecordBatch, SampleBatch

_RELATIVE: Final = 1e-9
_ABSOLUTE: Final = 1e-6
_OF_THE_CUT: Final = frozenset({"watermark", "revision"})
"""Fields of a result that say when it was published: they depend on how records are batched."""


def plain(value: Any, leave: frozenset[str] = frozenset()) -> Any:
    """A value as tuples and scalars; NaN equals NaN.

    >>> plain({"a": np.array([1.0, np.nan])})
    (('a', (1.0, 'nan')),)
    """
    if is_dataclass(value):
        named = [(f.name, getattr(value, f.name)) for f in fields(value) if f.name not in leave]
        return tuple((name, plain(one, leave)) for name, one in named)
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), leave)
    if isinstance(value, Mapping):
        return tuple((key, plain(value[key], leave)) for key in sorted(value))
    if isinstance(value, list | tuple):
        return tuple(plain(one, leave) for one in value)
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def alike(a: Any, b: Any) -> bool:
    """Whether plain values are equal, sums up to how their terms were grouped.

    >>> alike((1, 0.1 + 0.2), (1, 0.3)), alike((1, 0.3), (2, 0.3))
    (True, False)
    """
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    return bool(a == b)


def _by_tag(record: Any) -> Any:
    """A record with its columns, and tables' ones, in the order of `tags`, which may be any."""
    tags = getattr(record, "tags", ())
    order = sorted(range(len(tags)), key=tags.__getitem__)
    columns = {
        field.name: column[..., order]
        for field in fields(record)
        if isinstance(column := getattr(record, field.name), np.ndarray)
        and column.shape[-1] == len(tags)
    }
    return replace(record, tags=tuple(sorted(tags)), **columns) if tags else record


def _taken_back(record: Any) -> bool:
    """Whether KPIs of an order say that none of its panes is known any more: as if never told."""
    return getattr(record, "kind", "") == "order" and not any(one.panes for one in record.inputs)


class Outcome:
    """The last result of each identity, and the samples that no result holds.

    Args:
        identity: Fields of a result that say what it is of.
    """

    def __init__(self, identity: tuple[str, ...]) -> None:
        self.last: dict[Any, Any] = {}
        """By key and identity."""
        self.late: list[tuple[int, int, str]] = []
        """Offset of the record, place in it, reason."""
        self.samples = 0
        """Samples that were taken in."""
        self._identity = identity

    def take(self, output: Output, batch: Any) -> None:
        """Note what a batch gave; None: no batch."""
        for result in output.results:
            name = (result.key, *(getattr(result.record, field) for field in self._identity))
            self.last[name] = plain(_by_tag(result.record), _OF_THE_CUT)
            if _taken_back(result.record):
                del self.last[name]
        self.samples += 0 if batch is None else len(batch)
        for late in output.late:
            self._note(late.mask, late.reason, batch)

    def _note(self, mask: Any, reason: str, batch: SampleBatch | RecordBatch) -> None:
        if isinstance(batch, RecordBatch):
            self.late += [(offset, 0, reason) for offset in batch.offset[mask].tolist()]
            return
        first = np.searchsorted(batch.record, batch.record)
        for place in np.flatnonzero(mask).tolist():
            offset = int(batch.offset[batch.record[place]])
            self.late.append((offset, place - int(first[place]), reason))

    def halve_offsets(self) -> None:
        """For records that were counted by twos."""
        self.late = [(offset // 2, place, reason) for offset, place, reason in self.late]

    def expect(self, other: "Outcome", when: str) -> None:
        """Fail unless the other is alike.

        Raises:
            AssertionError: It is not.
        """
        self.expect_results(other, when)
        if sorted(self.late) != sorted(other.late):
            msg = f"{when}: late samples: expected {sorted(self.late)}, got {sorted(other.late)}"
            raise AssertionError(msg)

    def expect_results(self, other: "Outcome", when: str) -> None:
        """Fail unless the results of the other are alike.

        Raises:
            AssertionError: They are not.
        """
        wrong = [
            f"{name}: expected {self.last.get(name)}, got {other.last.get(name)}"
            for name in self.last.keys() | other.last.keys()
            if not alike(self.last.get(name), other.last.get(name))
        ]
        if wrong:
            msg = f"{when}: " + "; ".join(wrong)
            raise AssertionError(msg)
