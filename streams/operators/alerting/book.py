"""The alerts of a partition, with who acknowledged them."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any, Final

from schemas import Acknowledgement, Alert, AlertState, Evidence

KEPT: Final = 20
"""Cleared alerts of an asset that may still be acknowledged."""
EARLY: Final = 1_000
"""Acknowledgements of a partition that wait for their alert; then the oldest is forgotten."""


def identity(asset: str, cause: str, onset: int) -> str:
    """The id of an alert: the same each time it is found.

    >>> identity("acme/bremen/line1/press01", "anomaly/pca", 1_700_000_000_000_000)
    'eb5be6271ae2'
    """
    return sha256(f"{asset}\0{cause}\0{onset}".encode()).hexdigest()[:12]


class Book:
    """Alerts by id, and acknowledgements that came before their alert."""

    def __init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self.early: dict[str, Acknowledgement] = {}
        self.open: dict[tuple[str, str], str] = {}
        """The id of the alert of each (asset, cause) that is not cleared."""

    def raise_(self, alert: Alert) -> Alert:
        """Enter a new alert; it is acknowledged at once where somebody already has."""
        if (early := self.early.pop(alert.id, None)) is not None:
            alert = _acknowledged(alert, early)
        self.put(alert)
        return alert

    def clear(self, asset: str, cause: str, since: int, watermark: int) -> Alert:
        """The alert of a cause is over.

        Raises:
            KeyError: There is none.
        """
        alert = self.alerts[self.open[asset, cause]]
        alert = replace(
            alert,
            state=AlertState.CLEARED,
            cleared=since,
            watermark=watermark,
            revision=alert.revision + 1,
        )
        self.put(alert)
        return alert

    def acknowledge(self, word: Acknowledgement) -> Alert | None:
        """Enter a person's word; gives the alert if that changed it."""
        alert = self.alerts.get(word.alert)
        if alert is None:
            known = self.early.get(word.alert)
            if known is None or _order(word) < _order(known):
                self.early[word.alert] = word
            return None
        if alert.acknowledged is not None and _order(word) >= _order(_word(alert)):
            return None
        alert = replace(_acknowledged(alert, word), revision=alert.revision + 1)
        self.put(alert)
        return alert

    def put(self, alert: Alert) -> None:
        """Keep an alert as it now is."""
        self.alerts[alert.id] = alert
        place = (alert.asset, alert.cause)
        if alert.cleared is None:
            self.open[place] = alert.id
        elif self.open.get(place) == alert.id:
            del self.open[place]

    def trim(self, asset: str) -> Iterator[str]:
        """Forget the oldest cleared alerts of an asset; gives their ids."""
        cleared = [
            (alert.cleared, alert.id)
            for alert in self.alerts.values()
            if alert.asset == asset and alert.cleared is not None
        ]
        for _, name in sorted(cleared)[:-KEPT]:
            del self.alerts[name]
            yield name

    def trim_early(self) -> Iterator[str]:
        """Forget acknowledgements that waited too long; gives the alerts' ids."""
        for word in sorted(self.early.values(), key=_order)[:-EARLY]:
            del self.early[word.alert]
            yield word.alert


def _order(word: Acknowledgement) -> tuple[int, str, str]:
    return word.time, word.by, word.note or ""


def _word(alert: Alert) -> Acknowledgement:
    """By whom an alert is acknowledged."""
    assert alert.acknowledged is not None and alert.acknowledged_by is not None, "it is"
    return Acknowledgement(
        alert.acknowledged, alert.acknowledged_by, alert.id, alert.asset, alert.note
    )


def _acknowledged(alert: Alert, word: Acknowledgement) -> Alert:
    state = alert.state if alert.cleared is not None else AlertState.ACKNOWLEDGED
    return replace(
        alert, state=state, acknowledged=word.time, acknowledged_by=word.by, note=word.note
    )


def dump_alert(alert: Alert) -> dict[str, Any]:
    """An alert as a row of state."""
    return asdict(alert)


def load_alert(row: dict[str, Any]) -> Alert:
    """An alert from a row of state.

    Raises:
        KeyError: A field is missing.
        TypeError: There is another field.
        ValueError: The state is none.
    """
    evidence = Evidence(**{name: tuple(column) for name, column in row["evidence"].items()})
    return Alert(**{**row, "state": AlertState(row["state"]), "evidence": evidence})
