"""How far a replay came, in a small file; one process at a time works with it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from penstock.errors import HistoryError
from penstock.local.folder import acquire
from penstock.whole_file import write_whole


@dataclass(frozen=True, slots=True)
class Note:
    """What a replay has done.

    Args:
        run: Told apart from other replays of the same name, by the time it began.
        fingerprint: Of the files.
        row: The next row to show.
    """

    run: str
    fingerprint: str
    row: int = 0


class Notebook:
    """The note of one replay.

    Args:
        file: Where it is.
        note: What it says.
    """

    def __init__(self, file: Path, note: Note) -> None:
        self._file = file
        self.note = note

    def write(self, row: int) -> None:
        """Note the next row to show; a kill leaves the note before or this one."""
        self.note = replace(self.note, row=row)
        write_whole(self._file, json.dumps(asdict(self.note)) + "\n", durable=True)


@contextmanager
def notebook(
    folder: Path, name: str, fingerprint: str, run: str, *, again: bool
) -> Iterator[Notebook]:
    """Open the note of a replay, or begin one.

    Args:
        folder: Of the notes; made where it is not there.
        name: Of the replay.
        fingerprint: Of the files.
        run: Names the replay where it begins now.
        again: Whether to begin anew, whatever was done.

    Raises:
        HistoryError: Another process replays under this name, the note is of other files, or it
            cannot be read or written.
    """
    file = folder / f"{name}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = acquire(file.with_suffix(".lock"), 0.0)
    except BlockingIOError:
        msg = f"another process replays as {name!r}"
        remedy = "end that one, or give this one another --source or --notes"
        raise HistoryError(msg, where=str(file), remedy=remedy) from None
    except OSError as error:
        msg = f"cannot write there: {error.strerror}"
        raise HistoryError(msg, where=str(folder), remedy="choose another with --notes") from error
    try:
        known = None if again or not file.exists() else _read(file)
        if known and known.fingerprint != fingerprint:
            msg = f"the replay {name!r} was begun with other files, or these have changed"
            remedy = "give the same files, another --source, or --again to begin anew"
            raise HistoryError(msg, where=str(file), remedy=remedy)
        book = Notebook(file, known or Note(run, fingerprint))
        book.write(book.note.row)
        yield book
    finally:
        os.close(lock)


def _read(file: Path) -> Note:
    try:
        found: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return Note(str(found["run"]), str(found["fingerprint"]), int(found["row"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"the note of the replay cannot be read: {error!r}"
        raise HistoryError(msg, where=str(file), remedy="begin anew with --again") from error
