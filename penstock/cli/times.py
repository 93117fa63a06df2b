"""Points in time as people write them on the command line."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from penstock.errors import ConfigurationError
from penstock.settings.plant import Plant


def parse_time(text: str, where: str, zone: tzinfo = UTC) -> int:
    """A point in time in microseconds since 1970.

    Args:
        text: ISO 8601.
        where: The option, for the error.
        zone: Of a time that does not say.

    Raises:
        ConfigurationError: It is no time.

    >>> parse_time("1970-01-01T01:00:00+01:00", "--to-time"), parse_time("1970-01-02", "--since")
    (0, 86400000000)
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"{text!r} is no time"
        raise ConfigurationError(
            msg, where=where, remedy="write it as 2026-03-01T06:00:00+01:00"
        ) from error
    time = time if time.tzinfo else time.replace(tzinfo=zone)
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def site_time(time: int | None, plant: Plant) -> str:
    """A point in time by the site's clock, with its offset; a dash where it is none.

    Args:
        time: Microseconds since 1970.
        plant: Whose site it is.
    """
    if time is None:
        return "–"
    try:
        zone = ZoneInfo(plant.site.timezone)
        return datetime.fromtimestamp(time // 1_000_000, zone).isoformat(" ")
    except (OverflowError, ValueError, OSError):
        return "–"
