"""Writes small files so that nobody finds a part of one."""

import os
import secrets
from pathlib import Path


def write_whole(path: Path, text: str, *, durable: bool = False) -> None:
    """Write a file in UTF-8; whoever reads it finds all of it, or what was there before.

    Of several writers at once the last one wins. One that is killed leaves its draft behind.

    Args:
        path: In a folder that is there.
        text: What it shall hold.
        durable: Whether it must outlive a loss of power, which costs a few milliseconds.

    Raises:
        OSError: It cannot be written.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a new name durable, too."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
