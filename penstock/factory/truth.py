r"""The ground truth that a PLC writes while it runs.

A file of JSON lines for each life of a PLC process, `truth/<plc>-<start in µs>.jsonl`, appended
with one `write` per line, so that a kill loses nothing that was written. A file that has grown
large is followed by another; of each PLC the newest eight are kept. Times are cycles: cycle k is at
t0 + k × `cycle_us`.

| line | meaning |
|---|---|
| `{"plc": …, "t0": …, "cycle_us": …, "from": k, "counts": …, "assets": […]}` | header |
| `["s", [[asset, k, values, tags], …]]` | samples that go out together |
| `["a", asset, start, end, activity, order, reason]` | what a machine did in [start, end) |
| `["o", asset, order, product, quantity, start, end, good, scrap]` | a completed order |
| `["u", [[asset, k], …]]` | samples that may have been lost on the way, although they went out |
| `["k", k, counts]` | the PLC has come to cycle k |
| `["end", k, counts]` | last line of an orderly end |

An asset of the header is `{"asset": …, "tags": [{"tag": …, "as": …, "scale": …}]}`; the other lines
name assets and tags by their index in it; samples without `tags` are of all tags. Values are as the
device holds them: what is read is the value, rounded to float32 where `as` says so, times `scale`.
`counts` are `[good, scrap]` of each asset since the factory was built. An order starts with its
setup and ends with its last piece. An activity cut off by the end of the process is written again,
with the same start, by the next one.

A samples line is written just before its samples go out. So samples are sure to have gone out if
any line follows; after a kill those of the very last line may or may not have.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from penstock.factory.machine import Machine
from penstock.factory.schedule import CYCLE_US, Activity, Segment

FOLDER: Final = "truth"
_KEEP: Final = 8
_TAIL: Final = 1 << 20
"""Bytes at the end of a file, several seconds of it, in which its last heartbeat is looked for."""
Value = float | int | str
Group = tuple[int, int, Sequence[Value], Sequence[int]] | tuple[int, int, Sequence[Value]]
"""Index of the asset, cycle, values, and indexes of their tags if they are not all."""


class TruthWriter:
    """Writes one PLC's truth.

    Args:
        folder: The factory's folder.
        plc: The PLC's name.
        machines: Its machines, at cycle `first`.
        assets: Each machine's full path and tags, as the header gives them.
        t0: Time of cycle 0, in µs since 1970-01-01 UTC.
        first: The first cycle to tell of.
        started: When the process began, in µs since 1970-01-01 UTC.
        limit: Bytes after which a new file is begun.
    """

    def __init__(
        self,
        folder: Path,
        plc: str,
        machines: Sequence[Machine],
        assets: Sequence[Mapping[str, Any]],
        *,
        t0: int,
        first: int,
        started: int,
        limit: int = 128 << 20,
    ) -> None:
        self._folder = folder
        self._machines = machines
        self._header = {"plc": plc, "t0": t0, "cycle_us": CYCLE_US, "assets": list(assets)}
        self._plc, self._t0, self._limit = plc, t0, limit
        self._open(started, first)

    def samples(self, groups: Sequence[Group]) -> None:
        """Samples that are about to go out together."""
        self._write(["s", groups])

    def unsure(self, groups: Sequence[tuple[int, int]]) -> None:
        """What went out may have been lost on the way: index of the asset, cycle."""
        self._write(["u", groups])

    def advance(self, cycle: int) -> None:
        """Move all machines on to a cycle and write what ended on the way."""
        for index, machine in enumerate(self._machines):
            for segment in machine.advance(cycle):
                self._ended(index, segment)

    def reached(self, cycle: int) -> None:
        """The PLC has come to a cycle."""
        self.advance(cycle)
        self._write(["k", cycle, self._counts(cycle)])
        if self._written > self._limit:
            os.close(self._file)
            self._open(self._t0 + cycle * CYCLE_US, cycle)

    def close(self, cycle: int) -> None:
        """End in order at a cycle: what is still going on is written as it stands."""
        self.advance(cycle)
        for index, machine in enumerate(self._machines):
            self._activity(index, machine.segment, end=cycle)
        self._write(["end", cycle, self._counts(cycle)])
        os.close(self._file)

    def _open(self, started: int, cycle: int) -> None:
        path = self._folder / FOLDER / f"{self._plc}-{started}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._written = 0
        self._write(self._header | {"from": cycle, "counts": self._counts(cycle)})
        for old in truth_files(self._folder, self._plc)[:-_KEEP]:
            old.unlink()

    def _counts(self, cycle: int) -> list[tuple[int, int]]:
        return [machine.counts(cycle) for machine in self._machines]

    def _ended(self, index: int, segment: Segment) -> None:
        self._activity(index, segment, end=segment.end)
        order = segment.order
        if segment.activity is Activity.NO_ORDER:  # comes right after an order's last piece
            scrap = order.scrap(order.pieces)
            good = order.pieces - scrap
            made = [order.quantity, order.start, segment.start, good, scrap]
            self._write(["o", index, order.id, order.product, *made])

    def _activity(self, index: int, segment: Segment, *, end: int) -> None:
        if end > segment.start:
            line = [segment.start, end, str(segment.activity), segment.order.id, segment.reason]
            self._write(["a", index, *line])

    def _write(self, line: object) -> None:
        self._written += os.write(
            self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n"
        )


def truth_files(folder: Path, plc: str = "*") -> list[Path]:
    """The truth's files of a PLC, or of all, oldest first."""
    return sorted((folder / FOLDER).glob(f"{plc}-*.jsonl"), key=started_at)


def started_at(path: Path) -> int:
    """When the process that wrote a file began, in µs since 1970-01-01 UTC."""
    return int(path.stem.rpartition("-")[2])


def last_cycle(folder: Path, plc: str) -> int | None:
    """The last cycle that the newest truth file of a PLC tells of; None if there is none."""
    files = truth_files(folder, plc)
    if not files:
        return None
    with files[-1].open("rb") as lines:
        cycle: int | None = _told(lines.readline())
        lines.seek(max(lines.tell(), files[-1].stat().st_size - _TAIL))
        for line in lines:
            if line.startswith((b'["k"', b'["end"')):
                cycle = _told(line) or cycle
    return cycle


def _told(line: bytes) -> int | None:
    """The cycle of a header, heartbeat or end; None if a kill cut the line off."""
    if not line.endswith(b"\n"):
        return None
    content = json.loads(line)
    cycle = content["from"] if isinstance(content, dict) else content[1]
    return int(cycle)
