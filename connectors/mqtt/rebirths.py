"""When to ask which edge node to be born again: throttled, so that no storm is made."""

from typing import Final

from connectors.mqtt.message import Outgoing
from penstock.sparkplug import REBIRTH, DataType, Metric, Payload, SparkplugTopic

LONGEST: Final = 600_000_000
"""Microseconds; the longest pause."""
SPACING: Final = 50_000
"""Microseconds between requests to any two edge nodes."""


class Rebirths:
    """Requests that are wanted, and when they may go out.

    Args:
        pause: Least time between two requests to one edge node, microseconds; it doubles with each
            request until a birth comes.
    """

    def __init__(self, pause: int) -> None:
        self._pause = pause
        self._wanted: dict[str, int] = {}
        """Edge nodes and when each is to be asked."""
        self._free: dict[str, int] = {}
        """When each may be asked again."""
        self._pauses: dict[str, int] = {}
        self._next = 0

    def want(self, node: str, at: int) -> None:
        """An edge node is to be asked, at a time or when its pause is over."""
        at = max(at, self._free.get(node, at))
        self._wanted[node] = min(at, self._wanted.get(node, at))

    def settled(self, node: str) -> None:
        """It was born, or died: nothing is wanted of it any more."""
        self._wanted.pop(node, None)
        pause = self._pauses.pop(node, self._pause)
        if node in self._free:
            self._free[node] += self._pause - pause

    @property
    def due(self) -> int | None:
        """When the next request may go out; None: none is wanted."""
        return max(self._next, min(self._wanted.values())) if self._wanted else None

    def take(self, now: int) -> str | None:
        """The edge node to ask now; it is asked again after its pause if no birth comes."""
        due = self.due
        if due is None or due > now:
            return None
        node = min(self._wanted, key=self._wanted.__getitem__)
        last = self._pauses.get(node)
        pause = self._pauses[node] = self._pause if last is None else min(2 * last, LONGEST)
        self._free[node] = self._wanted[node] = now + pause
        self._next = now + SPACING
        return node


def rebirth_request(group: str, node: str, now: int) -> Outgoing:
    """The NCMD that asks an edge node to be born again.

    Args:
        group: Its group.
        node: Its id.
        now: Milliseconds since 1970-01-01 UTC.
    """
    metric = Metric(name=REBIRTH, timestamp=now, datatype=DataType.BOOLEAN, boolean_value=True)
    payload = Payload(timestamp=now, metrics=[metric])
    return Outgoing(str(SparkplugTopic(group, "NCMD", node)), payload.SerializeToString())
