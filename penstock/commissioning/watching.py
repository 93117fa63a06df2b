"""A source's values as they come, for people."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Final

from rich.table import Table

from penstock.connector import Connector, Sample
from penstock.errors import ConfigurationError
from penstock.quality import GOOD, unsigned
from penstock.settings.tags import Tag

_CODE: Final = 0xFFFF0000
"""The bits of a status code that have a name; the others are flags."""
_MOST_ROWS: Final = 200
"""A terminal shows no more; the others are counted."""


class Watched:
    """The last sample of each tag.

    Args:
        tags: The source's tags.
        match: Pattern of the tags' names, in any case; None: all.

    Raises:
        ConfigurationError: No tag is like the pattern.
    """

    def __init__(self, tags: Sequence[Tag], match: str | None = None) -> None:
        self._units = {(tag.asset, tag.tag): tag.unit or "" for tag in tags}
        self._match = match or "*"
        if match and not any(like(tag.tag, self._match) for tag in tags):
            names = ", ".join(dict.fromkeys(tag.tag for tag in tags)) or "none"
            msg = f"no tag is like {self._match!r}"
            raise ConfigurationError(msg, where="--match", remedy=f"its tags: {names[:200]}")
        self.last: dict[tuple[str, str], Sample] = {}
        self.changes = 0

    def take(self, samples: Iterable[Sample]) -> list[Sample]:
        """Keep samples; gives those of the tags that are watched."""
        wanted = [sample for sample in samples if like(sample.tag, self._match)]
        for sample in wanted:
            self.last[sample.asset, sample.tag] = sample
        self.changes += len(wanted)
        return wanted

    def line(self, sample: Sample) -> str:
        """A sample on one line."""
        unit = self._units.get((sample.asset, sample.tag), "")
        quality = "" if sample.quality == GOOD else f"  {quality_text(sample.quality)}"
        shown = f"{value_text(sample.value)} {unit}".rstrip()
        return f"{_time(sample.source_time)}  {sample.asset}/{sample.tag}  {shown}{quality}"

    def table(self) -> Table:
        """All watched tags with their last samples."""
        table = Table(box=None, pad_edge=False, caption=f"{self.changes} samples; Ctrl-C ends it")
        for name in ("asset", "tag", "value", "unit", "quality", "source time (UTC)"):
            table.add_column(name, justify="right" if name == "value" else "left")
        for (asset, tag), sample in sorted(self.last.items())[:_MOST_ROWS]:
            unit = self._units.get((asset, tag), "")
            table.add_row(asset, tag, value_text(sample.value), unit,
                          quality_text(sample.quality), _time(sample.source_time))  # fmt: skip
        return table


async def watch_source(
    connector: Connector, take: Callable[[Sequence[Sample]], None], seconds: float | None
) -> None:
    """Read a source and hand on what comes, for a time or until cancelled.

    Raises:
        DeviceError: It cannot be reached, or the link is lost.
    """
    try:
        await connector.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    batch = await connector.read()
                    batch.acknowledge()
                    take(batch.samples)
    finally:
        await connector.stop()


def like(name: str, pattern: str) -> bool:
    """Whether a name or path is like a pattern, in any case; `*/x` is like an x at the top, too.

    >>> like("Press07/T", "*/press07/*"), like("Press07/T", "press08*")
    (True, False)
    """
    name, pattern = name.lower(), pattern.lower()
    return fnmatchcase(name, pattern) or fnmatchcase(f"/{name}", pattern)


def value_text(value: float | bool | str) -> str:
    r"""A value for people; half a surrogate pair, which cannot be shown, by its number.

    >>> value_text(23.5), value_text(True), value_text("L-17"), value_text("\ud800")
    ('23.5', 'true', 'L-17', '\\ud800')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def quality_text(quality: int) -> str:
    """A quality for people: good, or the name of its status code.

    >>> quality_text(0), quality_text(-2144272384), quality_text(-1)
    ('good', 'BadNoCommunication', '0xffffffff')
    """
    if quality == GOOD:
        return "good"
    from asyncua.ua.status_codes import code_to_name_doc  # noqa: PLC0415  # half a second

    code = unsigned(quality)
    name, _ = code_to_name_doc.get(code & _CODE, ("", ""))
    return name or f"{code:#010x}"


def _time(microseconds: int) -> str:
    time = datetime.fromtimestamp(microseconds / 1e6, UTC)
    return f"{time:%H:%M:%S}.{time.microsecond // 1000:03}"
