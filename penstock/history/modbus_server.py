"""Shows a replay over Modbus TCP: holding registers of float64, the row's time before them.

An asset has a unit for each 30 of its signals, so that clock and values come in one answer. An
empty cell is NaN. A row is taken when each unit of its asset was read from the clock on.
"""

import struct
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, cast

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from penstock.errors import HistoryError
from penstock.history.reel import Reel
from penstock.history.server import Address, Server

CLOCK_REGISTERS: Final = 4
"""Microseconds since 1970-01-01 UTC, as uint64, before the values."""
REGISTERS_PER_READ: Final = 125
SIGNALS: Final = (REGISTERS_PER_READ - CLOCK_REGISTERS) // 4
"""Of one unit: clock and values fit into one request."""
MOST_UNITS: Final = 247
_FIRST: Final = 40_001


class _Unit:
    """Some signals of one asset, by their places in a row of its files."""

    def __init__(self, asset: str, places: range, orders: Sequence[str]) -> None:
        self.asset = asset
        self.places = places
        self.orders = [orders[at % len(orders)] for at in places]
        self.image = [0] * (CLOCK_REGISTERS + 4 * len(places))
        self.was_read = False

    def load(self, time: int, values: Sequence[float]) -> None:
        """Take over a row."""
        self.was_read = False
        self.image = list(struct.unpack(">4H", struct.pack(">q", time)))
        for order, at in zip(self.orders, self.places, strict=True):
            self.image.extend(_words(values[at], order))


class ModbusServer(Server):
    """The server; it goes on to the next row when it is asked for it.

    Args:
        reel: What to show; the files of one asset have the same columns.
        address: Where to listen.
        orders: Word orders of the values, by turns.

    Raises:
        HistoryError: The files do not fit into registers.
    """

    type = "modbus"

    def __init__(self, reel: Reel, address: Address, orders: Sequence[str] = ("ABCD",)) -> None:
        super().__init__(reel, address)
        self._signals: dict[str, tuple[str, ...]] = {}
        for asset, table in zip(reel.assets, reel.tables, strict=True):
            if self._signals.setdefault(asset, table.tags) != table.tags:
                msg = f"another file of {asset} has other columns, which registers cannot show"
                remedy = "replay them one after the other, or --through opcua"
                raise HistoryError(msg, where=str(table.path), remedy=remedy)
        self._units = [
            _Unit(asset, range(first, min(first + SIGNALS, len(tags))), orders)
            for asset, tags in self._signals.items()
            for first in range(0, len(tags), SIGNALS)
        ]
        if len(self._units) > MOST_UNITS:
            msg = f"{len(self._units)} units of {SIGNALS} signals, Modbus has {MOST_UNITS}"
            raise HistoryError(msg, remedy="leave columns out with --ignore, or --through opcua")
        self._row = -1
        self._end = 0

    async def start(self, row: int) -> None:
        """Listen, each unit with its first row."""
        for unit in self._units:
            self._fill(unit, self.reel.next_row(unit.asset, row))
        devices = [
            SimDevice(
                number,
                [SimData(0, count=len(unit.image), values=0, datatype=DataType.REGISTERS)],
                action=partial(self._answer, unit),
            )
            for number, unit in enumerate(self._units, 1)
        ]
        host, port = self.address
        self._server = ModbusTcpServer(devices, address=(host, port))
        try:
            await self._server.serve_forever(background=True)
        except RuntimeError as error:  # pymodbus says no more than that it could not
            msg = "is the port taken?"
            raise OSError(msg) from error

    async def show(self, first: int, end: int) -> int:
        """Let the requests that come go on to `end`."""
        self._end = min(end, len(self.reel))
        if self._row < first:
            self._load(first)
        return self._row + self._taken()

    async def stop(self) -> None:
        """End all connections."""
        await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it untyped

    def settings(self) -> dict[str, Any]:
        """How to read it: clock and values in one request."""
        return {
            "host": self.address.host,
            "port": self.address.port,
            "addressing": "modicon",
            "poll": "10 ms",
            "limits": {"connections": 1, "registers_per_read": REGISTERS_PER_READ},
            "clock": {"address": str(_FIRST), "type": "uint64", "resolution": "1 us"},
        }

    def tags(self) -> list[dict[str, str]]:
        """Each signal with its unit and registers."""
        return [
            {
                "asset": unit.asset,
                "tag": self._signals[unit.asset][at],
                "address": f"{number}/{_FIRST + CLOCK_REGISTERS + 4 * place}",
                "type": "float64",
                "order": unit.orders[place],
            }
            for number, unit in enumerate(self._units, 1)
            for place, at in enumerate(unit.places)
        ]

    async def _answer(
        self,
        unit: _Unit,
        _function: int,
        _start: int,
        address: int,
        _count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Go on where all was taken, before the registers are read; refuse writes."""
        if written is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        if 0 <= self._row < self._end - 1 and self._taken():
            self._load(self._row + 1)
        registers[: len(unit.image)] = unit.image
        if address == 0:
            unit.was_read = True
        return None

    def _showing(self) -> list[_Unit]:
        """The units of the present row's asset."""
        asset = self.reel.assets[self.reel.row(self._row)[0]]
        return [unit for unit in self._units if unit.asset == asset]

    def _taken(self) -> bool:
        return all(unit.was_read for unit in self._showing())

    def _load(self, row: int) -> None:
        self._row = row
        for unit in self._showing():
            self._fill(unit, row)

    def _fill(self, unit: _Unit, row: int) -> None:
        file, at = self.reel.row(row)
        table = self.reel.tables[file]
        unit.load(int(table.times[at]), table.values[at].tolist())


def _words(value: float, order: str) -> tuple[int, ...]:
    """A float64 as four registers.

    >>> [f"{word:04x}" for word in _words(1.0, "DCBA")]
    ['0000', '0000', '0000', 'f03f']
    """
    words = cast("tuple[int, ...]", struct.unpack(">4H", struct.pack(">d", value)))
    if order in {"CDAB", "DCBA"}:
        words = words[::-1]
    if order in {"BADC", "DCBA"}:
        words = tuple((word & 0xFF) << 8 | word >> 8 for word in words)
    return words
