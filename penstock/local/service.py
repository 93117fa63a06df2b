"""What the broker and the registry have in common, so that the stack can run either."""

from pathlib import Path
from typing import Literal, Protocol

Name = Literal["kafka", "registry"]
NAMES: tuple[Name, ...] = ("kafka", "registry")


class Service(Protocol):
    """One process of the stack."""

    @property
    def name(self) -> Name:
        """Which it is."""

    @property
    def version(self) -> str:
        """Of the software."""

    @property
    def port(self) -> int:
        """Where clients reach it on the loopback interface."""

    @property
    def address(self) -> str:
        """What a client's setting says: host:port, or a URL."""

    def command(self, jars: Path | None, mark: str) -> list[str]:
        """Make all ready for a start, and say how to start.

        Raises:
            StackError: A file is missing or wrong, or the data folder cannot be prepared.
        """

    def environment(self) -> dict[str, str]:
        """What the process sees of the environment."""

    def answers(self) -> bool:
        """Whether it serves clients now."""
