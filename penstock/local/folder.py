"""The folder of a local stack: where everything is, what it remembers, and who may work in it."""

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from penstock.errors import StackError
from penstock.whole_file import write_whole

LOCK_S: Final = 180.0
POLL_S: Final = 0.1


class StackFolder:
    """Paths of a stack, whether it was started before or not.

    Args:
        path: Made at the first start.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute().resolve()
        if not set(",;\n").isdisjoint(str(self.path)):
            msg = "the path holds a comma, a semicolon or a line end; Kafka and H2 split there"
            raise StackError(msg, where=str(self.path), remedy="choose another folder")

    def log(self, name: str) -> Path:
        """Where a service's output goes."""
        return self.path / "logs" / f"{name}.log"

    def pidfile(self, name: str) -> Path:
        """Where a service's pid is."""
        return self.path / "run" / f"{name}.pid"

    def remembered(self) -> dict[str, Any]:
        """What the last start was told; empty where there was none."""
        try:
            found = json.loads((self.path / "stack.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def remember(self, value: dict[str, Any]) -> None:
        """Keep what this start was told for the next."""
        write_whole(self.path / "stack.json", json.dumps(value, indent=1) + "\n")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One command at a time works in a folder; the lock ends with its holder's life.

        Raises:
            StackError: The folder cannot be written, another command does not end, or the disk is
                full by now.
        """
        try:
            for part in ("logs", "run"):
                (self.path / part).mkdir(parents=True, exist_ok=True)
            lock = acquire(self.path / "stack.lock", LOCK_S)
        except BlockingIOError:
            msg = f"another penstock command has been at work here for {LOCK_S:.0f} s"
            raise StackError(msg, where=str(self.path), remedy="end it, then try again") from None
        except OSError as error:
            msg = f"cannot write there: {error.strerror}"
            remedy = "choose a folder you own, on a disk with room"
            raise StackError(msg, where=str(self.path), remedy=remedy) from error
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            msg = f"cannot write there: {error.strerror}"
            remedy = "make room, or choose a folder on another disk with --dir"
            where = str(error.filename or self.path)
            raise StackError(msg, where=where, remedy=remedy) from error
        finally:
            os.close(lock)


def acquire(file: Path, patience: float) -> int:
    """Lock a file, which is made where it is not there.

    Returns:
        A descriptor: the lock ends when it is closed, or with this process.

    Raises:
        BlockingIOError: Another process still holds it after `patience` seconds.
        OSError: The file cannot be written.
    """
    lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(lock)
                raise
            time.sleep(POLL_S)
        except BaseException:
            os.close(lock)
            raise
        else:
            return lock
