"""A run folder has one supervisor at a time: two would publish everything twice."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.errors import ConfigurationError
from penstock.local.folder import acquire


@contextmanager
def sole(run_dir: Path, option: str) -> Iterator[None]:
    """Be the only one who runs components in a folder; ends with this process at the latest.

    Args:
        run_dir: The folder of notes, logs and local data; made where it is not there.
        option: Of the command line, that chooses it.

    Raises:
        ConfigurationError: Another command runs components there, or it cannot be written.
    """
    file = run_dir / "supervisor.lock"
    try:
        with writable(run_dir, option):
            run_dir.mkdir(parents=True, exist_ok=True)
            lock = acquire(file, 0.0)
    except BlockingIOError:
        pid = file.read_text("utf-8").strip()
        msg = f"another penstock command already runs here, as process {pid or 'unknown'}"
        remedy = f"end that one, or choose another folder with {option}"
        raise ConfigurationError(msg, where=str(run_dir), remedy=remedy) from None
    try:
        with writable(run_dir, option):
            os.truncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(lock)


@contextmanager
def writable(folder: Path, option: str) -> Iterator[None]:
    """Say in words that a folder cannot be written in.

    Args:
        folder: What is written into meanwhile.
        option: Of the command line, that chooses it.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        yield
    except BlockingIOError:  # somebody's lock
        raise
    except OSError as error:
        msg = f"cannot write there: {error.strerror}"
        remedy = f"choose a folder you own, on a disk with room, with {option}"
        raise ConfigurationError(msg, where=str(folder), remedy=remedy) from error
