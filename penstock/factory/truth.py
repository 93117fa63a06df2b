r"""The ground truth that a PLC writes while it runs.

One file of JSON lines for each life of a PLC process, `truth/<plc>-<start in µs>.jsonl`, appended
with one `write` per line, so that a kill loses nothing that was written. Times are cycles: cycle k
is at t0 + k × `cycle_us`.

| line | meaning |
|---|---|
| `{"plc": …, "t0": …, "cycle_us": …, "from": k, "assets": […]}` | header; begins at cycle `from` |
| `["s", [[asset, k, values, tags], …]]` | samples that go out together |
| `["a", asset, start, end, activity, order, reason]` | what a machine did in [start, end) |
| `["o", asset, order, product, quantity, start, end, good, scrap]` | a completed order |
| `["k", k]` | the PLC has come to cycle k |
| `["end", k, [[asset, good, scrap], …]]` | last line of an orderly end: pieces made since `from` |

An asset of the header is `{"asset": …, "tags": [{"tag": …, "as": …, "scale": …}]}`; the other lines
name assets and tags by their index in it; samples without `tags` are of all tags. Values are as the
device holds them: what is read is the value, rounded to float32 where `as` says so, times `scale`.
An order starts with its setup and ends with its last piece.

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
Value = float | int | str
Group = tuple[int, int, Sequence[Value], Sequence[int]] | tuple[int, int, Sequence[Value]]
"""Index of the asset, cycle, values, and indexes of their tags if they are not all."""


class TruthWriter:
    """Writes one file of the truth.

    Args:
        folder: The factory's folder.
        plc: The PLC's name.
        machines: Its machines, at cycle `first`.
        assets: Each machine's full path and tags, as the header gives them.
        t0: Time of cycle 0, in µs since 1970-01-01 UTC.
        first: The first cycle that this file tells of.
        started: Names the file: when the process began, in µs since 1970-01-01 UTC.
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
    ) -> None:
        path = folder / FOLDER / f"{plc}-{started}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._machines = machines
        self._first = first
        self._before = [machine.counts(first) for machine in machines]
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._write(
            {"plc": plc, "t0": t0, "cycle_us": CYCLE_US, "from": first, "assets": list(assets)}
        )

    def samples(self, groups: Sequence[Group]) -> None:
        """Samples that are about to go out together."""
        self._write(["s", groups])

    def advance(self, cycle: int) -> None:
        """Move all machines on to a cycle and write what ended on the way."""
        for index, machine in enumerate(self._machines):
            for segment in machine.advance(cycle):
                self._ended(index, segment)

    def reached(self, cycle: int) -> None:
        """The PLC has come to a cycle."""
        self.advance(cycle)
        self._write(["k", cycle])

    def close(self, cycle: int) -> None:
        """End in order at a cycle: what is still going on is written as it stands."""
        self.advance(cycle)
        totals = []
        for index, (machine, (good, scrap)) in enumerate(
            zip(self._machines, self._before, strict=True)
        ):
            self._activity(index, machine.segment, end=cycle)
            good_now, scrap_now = machine.counts(cycle)
            totals.append([index, good_now - good, scrap_now - scrap])
        self._write(["end", cycle, totals])
        os.close(self._file)

    def _ended(self, index: int, segment: Segment) -> None:
        self._activity(index, segment, end=segment.end)
        order = segment.order
        if segment.activity is Activity.NO_ORDER:  # comes right after an order's last piece
            scrap = order.scrap(order.quantity)
            good = order.quantity - scrap
            made = [order.quantity, order.start, segment.start, good, scrap]
            self._write(["o", index, order.id, order.product, *made])

    def _activity(self, index: int, segment: Segment, *, end: int) -> None:
        start = max(segment.start, self._first)
        if end > start:
            line = [start, end, str(segment.activity), segment.order.id, segment.reason]
            self._write(["a", index, *line])

    def _write(self, line: object) -> None:
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")


def last_cycle(folder: Path, plc: str) -> int | None:
    """The last cycle that the newest truth file of a PLC tells of; None if there is none."""
    files = sorted((folder / FOLDER).glob(f"{plc}-*.jsonl"))
    if not files:
        return None
    cycle = None
    with files[-1].open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n") and line.startswith((b'["k"', b'["end"', b'{"plc"')):
                content = json.loads(line)
                cycle = content["from"] if isinstance(content, dict) else content[1]
    return cycle
