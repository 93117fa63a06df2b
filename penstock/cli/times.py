"""Points in time as people write them on the command line."""

from datetime import UTC, datetime, timedelta

from penstock.errors import ConfigurationError


def parse_time(text: str, where: str) -> int:
    """A point in time in microseconds since 1970.

    Args:
        text: ISO 8601; UTC where it does not say.
        where: The option, for the error.

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
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
