"""What the values of samples are as Avro carries them: doubles, with a kind for each tag."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from penstock.connector import Sample
from penstock.quality import (
    BAD_DATA_ENCODING_INVALID,
    BAD_OUT_OF_RANGE,
    BAD_TYPE_MISMATCH,
    GOOD,
    is_good,
)
from schemas import Kind

LONGEST_TEXT: Final = 2_000
"""Characters; what is longer is cut and flagged, so that an event of 1,000 texts fits a message."""
_NUMBERS: Final = {float}
_BOOLEANS: Final = (bool, np.bool_)


@dataclass(slots=True)
class Values:
    """The values of one event."""

    numbers: list[float] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    texts: dict[str, int] = field(default_factory=dict)
    """Each text and its index."""
    flags: dict[int, int] = field(default_factory=dict)
    """The quality of samples whose value did not fit, by index."""


def convert(groups: Sequence[Sequence[Sample]], ordered: Sequence[Sample]) -> Values:
    """The values of an event's samples; `groups` has them by tag, `ordered` one after another."""
    numbers: list[Any] = [sample.value for sample in ordered]
    if set(map(type, numbers)) == _NUMBERS:
        return Values(numbers, [Kind.NUMBER] * len(groups))
    values = Values()
    for group in groups:
        kind = _kind(group)
        values.kinds.append(kind)
        for sample in group:
            number, flag = _convert(sample.value, kind, values.texts)
            if flag != GOOD and sample.quality >= 0:  # a bad one has said why
                values.flags[len(values.numbers)] = flag
            values.numbers.append(number)
    return values


def _kind(samples: Sequence[Sample]) -> Kind:
    """What most tells of a tag: its good numbers, else booleans, else texts, else the bad ones."""
    good = {_kind_of(sample.value) for sample in samples if is_good(sample.quality)}
    every = good - {None} or {_kind_of(sample.value) for sample in samples}
    for kind in (Kind.NUMBER, Kind.BOOLEAN, Kind.TEXT):
        if kind in every:
            return kind
    return Kind.NUMBER


def _kind_of(value: Any) -> Kind | None:
    """The kind of one value; None for NaN, which stands for a value of any kind."""
    if isinstance(value, _BOOLEANS):
        return Kind.BOOLEAN
    if isinstance(value, str):
        return Kind.TEXT
    number, flag = _number(value)
    return None if flag == BAD_TYPE_MISMATCH or math.isnan(number) else Kind.NUMBER


def _convert(value: Any, kind: Kind, texts: dict[str, int]) -> tuple[float, int]:
    """A value as a double, and the quality that says how it did not fit."""
    if kind is Kind.TEXT:
        text, flag = _text(value)
        return texts.setdefault(text, len(texts)), flag
    if kind is Kind.BOOLEAN and not isinstance(value, _BOOLEANS):
        return math.nan, BAD_TYPE_MISMATCH
    return _number(value)


def _number(value: Any) -> tuple[float, int]:
    if isinstance(value, str | bytes):
        return math.nan, BAD_TYPE_MISMATCH
    try:
        return float(value), GOOD
    except OverflowError:
        return math.nan, BAD_OUT_OF_RANGE
    except (TypeError, ValueError):
        return math.nan, BAD_TYPE_MISMATCH


def _text(value: Any) -> tuple[str, int]:
    if not isinstance(value, str):
        return "", BAD_TYPE_MISMATCH
    if len(value) > LONGEST_TEXT:
        return _text(value[:LONGEST_TEXT])[0], BAD_OUT_OF_RANGE
    if value.isascii():
        return value, GOOD
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return value.encode(errors="replace").decode(), BAD_DATA_ENCODING_INVALID
    return value, GOOD
