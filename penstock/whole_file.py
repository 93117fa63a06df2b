"""Writes small files so that nobody finds a part of one."""

import os
from pathlib import Path


def write_whole(path: Path, text: str, *, durable: bool = False) -> None:
    """Write a file in UTF-8; whoever reads it finds all of it, or what was there before.

    Args:
        path: In a folder that is there.
        text: What it shall hold.
        durable: Whether it must outlive a loss of power, which costs a few milliseconds.

    Raises:
        OSError: It cannot be written.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with draft.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)
