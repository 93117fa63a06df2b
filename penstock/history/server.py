"""What a server is that shows a replay."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from penstock.history.reel import Reel


class Address(NamedTuple):
    """Where a server runs."""

    host: str
    port: int


class Server(ABC):
    """A server that shows rows of a reel.

    Args:
        reel: What to show.
        address: Where to listen.
    """

    type: ClassVar[str]
    """The connector that reads it."""

    def __init__(self, reel: Reel, address: Address) -> None:
        self.reel = reel
        self.address = address

    @abstractmethod
    async def start(self, row: int) -> None:
        """Listen; each signal has its first value from a row on already, which is not shown twice.

        For it must have some value, and any other would be none of the files.

        Raises:
            OSError: The port is taken.
        """

    @abstractmethod
    async def show(self, first: int, end: int) -> int:
        """Show rows that are due, `first` again if it is shown already.

        Returns:
            The row behind the last that a reader has taken by now; `first` if there is none.
        """

    @abstractmethod
    async def stop(self) -> None:
        """End all connections."""

    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """The source's section of a configuration, but for type and tags."""

    @abstractmethod
    def tags(self) -> Sequence[Mapping[str, str]]:
        """The tag list, by column."""
