"""Single key presses from a terminal, without waiting; nothing where there is none."""

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

KILLS: Final = {
    "w": "worker",
    "b": "broker",
    "p": "press_plc",
    "m": "utilities",
    "e": "packing_cell",
    "t": "mqtt_broker",
}
"""Keys of the view, and what they kill."""


@contextmanager
def keys() -> Iterator[Callable[[], str]]:
    """Within, the function gives the key pressed since the last call, or an empty text."""
    if not sys.stdin.isatty():
        yield lambda: ""
        return
    descriptor = sys.stdin.fileno()
    restore = terminal()

    def pressed() -> str:
        ready, _, _ = select.select([descriptor], [], [], 0)
        return os.read(descriptor, 1).decode(errors="replace") if ready else ""

    try:
        tty.setcbreak(descriptor)
        yield pressed
    finally:
        restore()


def terminal() -> Callable[[], None]:
    """Gives what sets the terminal back to how it is now; it does nothing where there is none."""
    if not sys.stdin.isatty():
        return lambda: None
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    return lambda: termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
