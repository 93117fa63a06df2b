"""What components' logs say of trouble, for who watches them all at once."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from penstock.runtime.lately import Lately

_LEVELS: Final = ("warning", "error", "critical")
_BYTES: Final = 1 << 20
"""Of a log at a time: a flood is told of in parts."""


class Trouble(NamedTuple):
    """A warning or error that a component has logged."""

    component: str
    words: str


class Troubles:
    """Follows log files from where they end now.

    Args:
        files: The log of each component; it need not be there yet.
        monotonic: Seconds.
    """

    def __init__(
        self, files: Mapping[str, Path], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._files = files
        self._monotonic = monotonic
        self._at = {name: _size(file) for name, file in files.items()}
        self._lately = Lately()

    def new(self) -> Iterator[Trouble]:
        """What came since the last call; of what a component says often, one a minute."""
        for name in self._files:
            for event in self._events(name):
                if self._lately.is_new((name, str(event["event"])), self._monotonic()):
                    yield Trouble(name, _words(event))

    def _events(self, name: str) -> Iterator[dict[str, Any]]:
        file, at = self._files[name], self._at[name]
        if _size(file) < at:  # a new file was begun
            at = 0
        try:
            with file.open("rb") as log:
                log.seek(at)
                data = log.read(_BYTES)
        except OSError:
            return
        found, end, _ = data.rpartition(b"\n")
        # Half a line is read again when it is whole, but for one that no reader should wait for.
        self._at[name] = at + (len(found) + len(end) if end else len(data) // _BYTES * _BYTES)
        for line in found.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the traceback of what ends a process is told when it has ended
            if isinstance(event, dict) and event.get("level") in _LEVELS and "event" in event:
                yield event


def _words(event: Mapping[str, Any]) -> str:
    """The event, and the error where it names one.

    >>> _words({"event": "kafka", "error": "no broker"}), _words({"event": "fenced"})
    ('kafka: no broker', 'fenced')
    """
    error = event.get("error")
    return f"{event['event']}: {error}" if error else str(event["event"])


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
