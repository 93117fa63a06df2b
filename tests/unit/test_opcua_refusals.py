"""When the bad samples of refused nodes are said to be."""

from datetime import UTC, datetime

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from connectors.opcua.values import Notifications
from penstock.connector import Sample
from penstock.quality import signed
from penstock.settings.tags import Tag

UNKNOWN = int(StatusCodes.BadNodeIdUnknown)
TODAY = 1_763_856_000_000_000
LONG_AGO = datetime(2009, 5, 1, tzinfo=UTC)
TAGS = [Tag(asset="press", tag=name, address=f"ns=2;s={name}") for name in ("force", "speed")]


class OurClock:
    """Ours, moved by hand."""

    time = TODAY

    def __call__(self) -> int:
        return self.time


def notified(handle: int, time: datetime) -> list[ua.MonitoredItemNotification]:
    value = ua.DataValue(ua.Variant(1.0), SourceTimestamp=time, ServerTimestamp=time)
    return [ua.MonitoredItemNotification(handle, value)]


def times(samples: list[Sample]) -> dict[str, int]:
    return {sample.tag: sample.source_time for sample in samples}


def test_a_refusal_overtakes_no_good_sample_of_a_clock_that_is_behind() -> None:
    clock = OurClock()
    notifications = Notifications(TAGS, clock)
    assert notifications.refused({1: UNKNOWN}) == []
    force, speed = notifications.samples(notified(0, LONG_AGO))
    assert (force.tag, speed.tag) == ("force", "speed")
    assert force.source_time == speed.source_time < TODAY
    assert speed.quality == signed(UNKNOWN)
    assert times(notifications.samples(notified(0, LONG_AGO))).keys() == {"force"}


def test_a_refusal_later_on_goes_with_the_sources_clock() -> None:
    clock = OurClock()
    notifications = Notifications(TAGS, clock)
    (force,) = notifications.samples(notified(0, LONG_AGO))
    clock.time += 30_000_000
    assert times(notifications.refused({1: UNKNOWN})) == {"speed": force.source_time + 30_000_000}


def test_where_all_is_refused_our_clock_must_do() -> None:
    notifications = Notifications(TAGS, OurClock())
    refused = notifications.refused({0: UNKNOWN, 1: UNKNOWN})
    assert times(refused) == {"force": TODAY, "speed": TODAY}
    assert notifications.refused({}) == []
