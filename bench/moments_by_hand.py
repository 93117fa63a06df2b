"""What the programs on Quix Streams and plain Faust share: one sample at a time, by hand.

Imports nothing of Penstock: peers run it in environments of their own.
"""

import io
import json
from typing import Any

import fastavro

SIZE = 60_000_000
OUT_OF_ORDER = 1_000_000
Cell = list[float]
"""Count, sum, sum of squares, minimum, maximum."""


class Decoder:
    """Decodes SensorEvents as anyone would: by their schema."""

    def __init__(self, schema: str) -> None:
        fields = json.loads(schema)
        for field in fields["fields"]:
            if isinstance(field["type"], dict):
                field["type"].pop("logicalType", None)  # no datetimes: they are slow
        self._schema = fastavro.parse_schema(fields)

    def samples(self, message: bytes) -> tuple[str, list[tuple[str, int, float]]]:
        """The asset, and (tag, time in microseconds, value) of each sample."""
        event: Any = fastavro.schemaless_reader(io.BytesIO(message[5:]), self._schema)
        start, offsets, values = event["start"], event["offsets"], event["values"]
        found, at = [], 0
        for tag, count in zip(event["tags"], event["counts"], strict=True):
            for i in range(at, at + count):
                offset = offsets[i] if len(offsets) > 1 else offsets[0]
                found.append((tag, start + int(offset), values[i]))
            at += count
        return event["asset"], found


def add(cell: Cell | None, value: float) -> Cell:
    """A cell with one more value."""
    if cell is None:
        return [1, value, value * value, value, value]
    count, total, squares, low, high = cell
    return [count + 1, total + value, squares + value * value, min(low, value), max(high, value)]


class Watermarks:
    """The newest time of each asset, and its windows that are open: window → tags."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._open: dict[str, dict[int, dict[str, None]]] = {}

    def note(self, asset: str, tag: str, time: int) -> int:
        """The start of a sample's window."""
        start = time // SIZE * SIZE
        self._open.setdefault(asset, {}).setdefault(start, {})[tag] = None
        self._newest[asset] = max(self._newest.get(asset, time), time)
        return start

    def due(self, asset: str) -> list[tuple[int, list[str]]]:
        """(start, tags) of the windows that the asset's watermark has passed; forgets them."""
        level = self._newest[asset] - OUT_OF_ORDER - SIZE
        windows = self._open[asset]
        if min(windows) > level:
            return []
        passed = sorted(start for start in windows if start <= level)
        return [(start, list(windows.pop(start))) for start in passed]


def result(asset: str, start: int, cells: dict[str, Cell]) -> bytes:
    """What is published of a window."""
    return json.dumps({"asset": asset, "start": start, "cells": cells}).encode()
