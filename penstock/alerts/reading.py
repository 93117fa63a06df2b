"""The alerts of `dmz.alerts.v1` as they stand: of each id the record of the greatest version."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog

from penstock.errors import DecodeError, PenstockError, UnknownSchemaError
from penstock.kafka.registry import Registry
from penstock.kafka.tail import Tail
from penstock.kafka.topics import ALERTS
from penstock.runtime.decoding import Decoder
from penstock.settings.plant import Plant

Datum = Mapping[str, Any]
"""A datum of `alert.avsc`."""

ORDER: Final = {"raised": 0, "acknowledged": 1, "cleared": 2}
"""Of the states: what wants attention first."""
_GRAVITY: Final = {"high": 0, "medium": 1, "low": 2}
_log = structlog.get_logger()


class NoAlertError(PenstockError):
    """There is no alert of this id, or several begin with it.

    `penstock alerts list` shows those there are, with their names.
    """

    code = "PEN-800"
    exit_code = 2


def version(alert: Datum) -> tuple[int, tuple[int, ...], int]:
    """What orders the records of one alert."""
    found = alert["version"]
    return found["epoch"], tuple(found["offsets"]), found["emission"]


def attention(alert: Datum) -> tuple[int, int, int]:
    """What orders alerts for people: what wants attention first, then the newest."""
    return ORDER.get(alert["state"], 0), _GRAVITY.get(alert["severity"], 0), -alert["raised"]


def latest(alerts: Iterable[Datum]) -> dict[str, Datum]:
    """Of each id the alert of the greatest version."""
    found: dict[str, Datum] = {}
    for alert in alerts:
        known = found.get(alert["id"])
        if known is None or version(alert) > version(known):
            found[alert["id"]] = alert
    return found


def read_alerts(plant: Plant) -> list[Datum]:
    """All alerts that Kafka still has, those that want attention first.

    Records that make no sense are logged and left out.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
        RegistryUnavailableError: The registry does not answer.
    """
    decoder = Decoder(Registry(plant.registry))
    alerts: list[Datum] = []
    with Tail(plant.kafka, {ALERTS.name: None}, f"{plant.environment}-alerts") as tail:
        for message in tail.to_end():
            try:
                record: Any = decoder.record(message).value
            except (DecodeError, UnknownSchemaError) as error:
                _log.warning("this is no alert", error=str(error))
            else:
                alerts.append(record)
    return sorted(latest(alerts).values(), key=attention)


def find_alert(alerts: Iterable[Datum], name: str) -> Datum:
    """The alert whose id begins so.

    Raises:
        NoAlertError: There is none, or several do.
    """
    found = [alert for alert in alerts if name and alert["id"].startswith(name)]
    if len(found) == 1:
        return found[0]
    if not found:
        msg = f"there is no alert {name!r}"
        raise NoAlertError(msg, remedy="'penstock alerts list --all' shows them")
    msg = f"{len(found)} alerts begin with {name!r}"
    raise NoAlertError(msg, remedy="write more of the id")
