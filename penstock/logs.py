"""JSON logs: one line per event that matters, to standard error."""

import logging
import sys
from pathlib import Path
from typing import Final

import structlog
from structlog.typing import EventDict

SIZE_LIMIT: Final = 20_000_000
"""Bytes of a log file, beyond which a new one is begun."""

_SILENT = ("asyncua", "asyncuagds", "pymodbus", "pymodbus.logging", "librdkafka", "aiokafka",
           "mode.timers")  # fmt: skip
"""Libraries that narrate every failure that Penstock reports itself, with the remedy; and timers
that say each time that a commit took longer than its interval, as all do while Kafka is away."""
_TERSE = ("abc", "faust", "mode", "httpx", "httpx2", "httpcore", "httpcore2")
"""Libraries whose warnings matter; the services of `mode` log under `abc`."""


def configure(component: str, *, file: Path | None = None) -> None:
    """Set up logging of a process; every line names the component.

    Args:
        component: As `connector-press_plc`.
        file: Where lines go instead of to standard error.
    """

    def named(_logger: object, _method: str, event: EventDict) -> EventDict:
        event.setdefault("component", component)
        return event

    shared: list[structlog.typing.Processor] = [
        named,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        rotate(file)
    handler = logging.StreamHandler(sys.stderr) if file is None else logging.FileHandler(file)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    quieten()


def quieten() -> None:
    """Let libraries say only what Penstock does not say itself."""
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in _TERSE:
        logging.getLogger(name).setLevel(logging.WARNING)


def rotate(file: Path) -> None:
    """Set a log file aside as `<file>.1`, in place of the one before, where it has grown large.

    Call it before a process gets the file to append to.
    """
    if file.exists() and file.stat().st_size > SIZE_LIMIT:
        file.replace(file.with_name(f"{file.name}.1"))
