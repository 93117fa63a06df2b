"""From the registers in an answer to samples. Pure."""

import math
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

from connectors.modbus.plan import Block
from connectors.modbus.registers import Layout
from penstock.connector import Sample
from penstock.quality import BAD_DATA_ENCODING_INVALID, BAD_OUT_OF_RANGE, GOOD


class Answers:
    """What the answers to one block's request say.

    Args:
        block: The block.
    """

    def __init__(self, block: Block) -> None:
        self._clock = block.clock
        tags = [item.tag for item in block.items]
        self._assets = [tag.asset for tag in tags]
        self._names = [tag.tag for tag in tags]
        self._scales = [(tag.scale, tag.offset) for tag in tags]
        self._finish = [item.how.finish for item in block.items]
        self._numbers_only = not any(self._finish)
        self._plain = all(
            scale == (1.0, 0.0) and item.how.format in "fd"
            for scale, item in zip(self._scales, block.items, strict=True)
        )
        fields = [(item.place.address - block.start, item.how) for item in block.items]
        if block.clock:
            fields.append((block.clock.address - block.start, block.clock.how))
        self._layout = Layout(fields)

    def read(self, contents: Sequence[int]) -> tuple[list[Any], int | None]:
        """The raw values of an answer, and its time by the device's clock if it has one."""
        raw = self._layout.unpack(contents)
        return raw, raw.pop() * self._clock.step if self._clock else None

    def samples(
        self, raw: Sequence[Any], source_time: int, known: Sequence[Any] | None = None
    ) -> list[Sample]:
        """Raw values as samples: scaled, and flagged where they make no sense.

        Args:
            raw: As `read` gives them.
            source_time: Of all of them.
            known: Raw values whose samples of this time were given; the same are not given again.
        """
        samples = self._samples(raw, source_time)
        if known is None:
            return samples
        pairs = zip(samples, self._samples(known, source_time), strict=True)
        return [new for new, old in pairs if repr(new) != repr(old)]  # NaN is like NaN so.

    def _samples(self, raw: Sequence[Any], source_time: int) -> list[Sample]:
        if self._numbers_only:
            numbers = (
                raw
                if self._plain
                else [
                    value * scale + offset
                    for value, (scale, offset) in zip(raw, self._scales, strict=True)
                ]
            )
            if math.isfinite(sum(numbers)):
                columns = (
                    self._assets, self._names, numbers,
                    repeat(source_time), repeat(None), repeat(GOOD),
                )  # fmt: skip
                # As `Sample(…)`, in a third of the time.
                return list(map(tuple.__new__, repeat(Sample), zip(*columns, strict=False)))
        return self._each(map(self._value, raw, self._finish, self._scales), source_time)

    def bad(self, source_time: int, quality: int) -> list[Sample]:
        """Samples that say that the block could not be read."""
        return self._each(repeat((math.nan, quality)), source_time)

    def _each(
        self, values: Iterable[tuple[float | bool | str, int]], source_time: int
    ) -> list[Sample]:
        return [
            Sample(asset, name, value, source_time, None, quality)
            for asset, name, (value, quality) in zip(  # noqa: B905 (bad() repeats without end)
                self._assets, self._names, values
            )
        ]

    @staticmethod
    def _value(raw: Any, finish: Any, scale: tuple[float, float]) -> tuple[float | bool | str, int]:
        """A value and its quality; a number that is not finite is kept and flagged."""
        if finish:
            try:
                return finish(raw), GOOD
            except UnicodeDecodeError:
                return math.nan, BAD_DATA_ENCODING_INVALID
        number = raw * scale[0] + scale[1]
        return number, GOOD if math.isfinite(number) else BAD_OUT_OF_RANGE
