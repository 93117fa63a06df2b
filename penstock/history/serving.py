"""Shows a replay through a real server, so that a connector reads it as it reads a plant.

Rows keep their own time: it is the source time of an OPC UA value, and the clock of a Modbus unit.
The next row is shown when it is due and the present one was taken: none is lost, whatever the speed
and the reader. What a reader had taken when it was killed is not shown again; what was on its way
is.
"""

import asyncio
import csv
import io
import time
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML

from penstock.errors import HistoryError
from penstock.history.note import Notebook
from penstock.history.pace import Pace
from penstock.history.reel import Reel
from penstock.history.server import Address, Server
from penstock.whole_file import write_whole

LOOK_SECONDS: Final = 0.02
NOTE_SECONDS: Final = 0.5
"""Between two notes: a server that is killed shows the rows since then again."""
_LEAVE_SECONDS: Final = 0.2
"""The last answer leaves the socket."""


def server(through: str, reel: Reel, address: Address) -> Server:
    """A server by its protocol.

    Raises:
        HistoryError: There is none for it, or the files do not fit it.
    """
    # Each imports its own protocol's library.
    if through == "opcua":
        from penstock.history.opcua_server import OpcuaServer  # noqa: PLC0415

        return OpcuaServer(reel, address)
    if through == "modbus":
        from penstock.history.modbus_server import ModbusServer  # noqa: PLC0415

        return ModbusServer(reel, address)
    msg = f"there is no server for {through!r}"
    raise HistoryError(msg, where="--through", remedy="name opcua or modbus")


def write_source(shown: Server, name: str, folder: Path) -> Path:
    """Write what a plant's configuration says of the server: its section, and its tag list.

    Returns:
        The file with the section; the tag list is beside it.

    Raises:
        HistoryError: It cannot be written there.
    """
    tags, section = folder / f"{name}.csv", folder / f"{name}.yaml"
    rows, listed, written = shown.tags(), io.StringIO(), io.StringIO()
    writer = csv.DictWriter(listed, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    source = {"type": shown.type, **shown.settings(), "tags": str(tags.absolute())}
    YAML().dump({"sources": {name: source}}, written)
    try:
        write_whole(tags, listed.getvalue())
        write_whole(section, written.getvalue())
    except OSError as error:
        msg = f"cannot write there: {error.strerror}"
        raise HistoryError(msg, where=str(folder), remedy="choose another with --notes") from error
    return section


async def serve(shown: Server, book: Notebook, speed: float, stopping: asyncio.Event) -> int:
    """Show what is left, until the last row was taken or we shall stop.

    Args:
        shown: The server.
        book: The note of how far it came.
        speed: Seconds of history per second; infinity: as fast as it is read.
        stopping: Set by whoever ends it.

    Returns:
        The next row to show.

    Raises:
        HistoryError: The port is taken.
    """
    try:
        await shown.start(book.note.row)
    except OSError as error:
        msg = f"the server cannot listen on {shown.address.host}:{shown.address.port}: {error}"
        raise HistoryError(msg, where="--listen", remedy="choose another port") from error
    row = book.note.row
    pace, noted = Pace(shown.reel.due, speed, row), time.monotonic()
    try:
        while row < len(shown.reel) and not stopping.is_set():
            taken = await shown.show(row, max(pace.end(), row + 1))
            if taken == row:
                await asyncio.sleep(LOOK_SECONDS)
            row = taken
            if time.monotonic() - noted > NOTE_SECONDS:
                book.write(row)
                noted = time.monotonic()
        book.write(row)
        await asyncio.sleep(_LEAVE_SECONDS)
    finally:
        await shown.stop()
    return row
