"""How a published KPI came about: its revisions, and the late samples that moved it."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from penstock.errors import DecodeError, PenstockError, UnknownSchemaError
from penstock.kafka.registry import Registry
from penstock.kafka.tail import Tail
from penstock.kafka.topics import KPIS, PRODUCTION
from penstock.runtime.decoding import Decoder
from penstock.settings.plant import Plant
from penstock.settings.problems import suggestion
from penstock.unknown import unknown

Datum = Mapping[str, Any]
KINDS: Final = ("size", "sliding", "shift", "order", "rolling")
_WITHOUT_KPIS: Final = (
    "a line or asset has KPIs once plant.yaml maps its states: docs/how-to/get-an-oee.md"
)
_log = structlog.get_logger()


class NoFigureError(PenstockError):
    """There is no such KPI, or none of this unit and time.

    `docs/reference/kpis.md` lists the KPIs; figures are kept as long as `dmz.kpis.v1` is.
    """

    code = "PEN-810"
    exit_code = 2


@dataclass(frozen=True, slots=True)
class Why:
    """What is known of one window's figure.

    Args:
        kpi: Its name.
        revisions: Records of the window, the oldest version first.
        late: (asset, tag, time, value) of late samples that changed its panes.
    """

    kpi: str
    revisions: Sequence[Datum]
    late: Sequence[tuple[str, str, int, str]]

    @property
    def last(self) -> Datum:
        """The record that counts."""
        return self.revisions[-1]

    @property
    def unknown(self) -> dict[str, str]:
        """Of each figure of that record that is null the reason."""
        return unknown(self.last)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        late = [dict(zip(("asset", "tag", "time", "value"), one, strict=True)) for one in self.late]
        return {
            "kpi": self.kpi,
            "unknown": self.unknown,
            "revisions": list(self.revisions),
            "late": late,
        }


def why(plant: Plant, unit: str, kpi: str, time: int | None, kind: str | None = None) -> Why:
    """Look up the window of a line or asset that holds a time.

    Args:
        plant: Where Kafka is.
        unit: Path of the line or asset, with or without the site.
        kpi: Its name.
        time: Microseconds since 1970-01-01 UTC; None: the newest whose figure is known; of orders
            the newest that is completed.
        kind: One of `KINDS`; None: the shift if there is one, else the shortest window. Of several
            that hold a time, as sliding ones do, the newest counts.

    Raises:
        NoFigureError: There is none.
        KafkaUnavailableError: Kafka does not answer.
        RegistryUnavailableError: The registry does not answer.
    """
    registry = Registry(plant.registry)
    try:
        decoder = Decoder(registry)
        records = list(_read(plant, decoder, KPIS.name))
        zone = ZoneInfo(plant.site.timezone)
        found = choose(records, {unit, plant.asset_path(unit)}, kpi, time, kind, zone)
        late = late_of(found[-1], _read(plant, decoder, PRODUCTION.name))
    finally:
        registry.close()
    return Why(kpi, found, late)


def choose(
    records: Sequence[Datum],
    units: Iterable[str],
    kpi: str,
    time: int | None,
    kind: str | None = None,
    zone: tzinfo = UTC,
) -> list[Datum]:
    """The revisions of the window that is asked for, the oldest version first.

    Args:
        records: All that were published.
        units: The names that the unit may have.
        kpi: Its name.
        time: That the window holds; None: the newest whose figure is known, if one is; of orders
            the newest that is completed, if one is.
        kind: As for `why`.
        zone: Of the times that an error names.

    Raises:
        NoFigureError: There is none.
    """
    mine = _of_unit(records, set(units), kpi)
    what = f"{kind or ''} window with {kpi!r}".lstrip()
    asked = [one for one in mine if kpi in one["kpis"] and kind in (None, one["kind"])]
    if not asked:
        msg = f"there is no {what}"
        raise NoFigureError(msg, remedy="look at another --window")
    if time is None:
        known = [one for one in asked if one["kpis"][kpi] is not None] or asked
        if kind == "order":
            known = [one for one in known if one["final"]] or known
        best = max(_shifts_or_all(known), key=lambda one: (one["window_end"], *_rank(one)))
    else:
        held = [one for one in asked if one["window_start"] <= time < one["window_end"]]
        if not held:
            msg = f"no {what} holds this time"
            first = _say(min(one["window_start"] for one in asked), zone)
            last = _say(max(one["window_end"] for one in asked), zone)
            raise NoFigureError(msg, remedy=f"there are some from {first} to {last}")
        best = max(_shifts_or_all(held), key=_rank)
    return sorted((one for one in mine if one["id"] == best["id"]), key=_version)


def _shifts_or_all(records: Sequence[Datum]) -> Sequence[Datum]:
    return [one for one in records if one["kind"] == "shift"] or records


def _rank(record: Datum) -> tuple[int, int, str]:
    """Greatest is the shortest window; of equal ones the newest."""
    start, end = record["window_start"], record["window_end"]
    return start - end, start, record["id"]


def _of_unit(records: Sequence[Datum], units: Set[str], kpi: str) -> list[Datum]:
    mine = [one for one in records if (one["asset"] or one["line"]) in units]
    asked = min(units, key=len)
    if not mine:
        msg = f"no KPIs of {asked!r} were published"
        known = {one["asset"] or one["line"] for one in records}
        raise NoFigureError(msg, remedy=suggestion(asked, known) or _WITHOUT_KPIS)
    names = sorted({name for one in mine for name in one["kpis"]})
    if kpi not in names:
        others = {one["asset"] or one["line"] for one in records if kpi in one["kpis"]}
        if others:
            msg = f"{asked!r} has no {kpi!r}"
            raise NoFigureError(msg, remedy=f"ask for one that has, as {min(others)}")
        msg = f"there is no KPI {kpi!r}"
        raise NoFigureError(msg, remedy=suggestion(kpi, names) or f"one of {', '.join(names)}")
    return mine


def _say(time: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(time // 1_000_000, zone).isoformat()


def late_of(record: Datum, partials: Iterable[Datum]) -> list[tuple[str, str, int, str]]:
    """The late samples that changed the panes of a window, in order of time."""
    assets = {one["asset"] for one in record["inputs"]}
    found = {
        (partial["asset"], late["tag"], late["time"], late["value"])
        for partial in partials
        if partial["asset"] in assets
        and record["window_start"] <= partial["pane_start"] < record["window_end"]
        for late in partial["late"]
    }
    return sorted(found, key=lambda one: (one[2], one))


def _read(plant: Plant, decoder: Decoder, topic: str) -> Iterable[Datum]:
    with Tail(plant.kafka, {topic: None}, f"{plant.environment}-why") as tail:
        for message in tail.to_end():
            try:
                value: Any = decoder.record(message).value
            except (DecodeError, UnknownSchemaError) as error:
                _log.warning("this is no record", topic=topic, error=str(error))
            else:
                yield value


def _version(record: Datum) -> tuple[int, list[int], int]:
    version = record["version"]
    return version["epoch"], version["offsets"], version["emission"]
