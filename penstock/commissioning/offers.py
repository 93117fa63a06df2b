"""What a connector may offer beyond reading its tags; it inherits from what it offers.

Each opens a connection of its own, only reads, keeps within the limits of settings and device, and
lets go of the connection before it ends. The source's tags are not needed for it.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import ClassVar, Final, NamedTuple


class Node(NamedTuple):
    """Something that a source has: a value that can be read, or a folder of such."""

    path: tuple[str, ...]
    """Names on the way from where browsing began, the last its own."""
    address: str
    """As a tag list writes it; of a folder, what `browse` may begin at."""
    type: str | None = None
    """As a tag list writes it, of an array with [] behind it; None of a folder."""
    unit: str | None = None
    description: str | None = None
    value: float | bool | str | None = None
    """What it is now, where the source says so while it is browsed."""

    @property
    def is_value(self) -> bool:
        """Whether it can be a tag."""
        return self.type is not None and not self.is_array

    @property
    def is_array(self) -> bool:
        """Whether it is several values at once, of which no tag can be made."""
        return self.type is not None and self.type.endswith("[]")


class Interpretation(NamedTuple):
    """One way to read what is at an address."""

    address: str
    type: str | None
    order: str | None
    value: float | bool | str
    plausible: bool
    reason: str
    """Why it is plausible or not."""
    note: str = ""
    """What else the source says: times, status."""


class Browses(ABC):
    """A connector whose source can be asked what it has."""

    @abstractmethod
    def browse(self, root: str | None = None, depth: int | None = None) -> AsyncIterator[Node]:
        """Give what is there, each node once, a parent before what is below it.

        Args:
            root: Address to begin at; None: where the source's own data begins.
            depth: Levels below it; None: all.

        Raises:
            DeviceError: The source cannot be reached, or the link is lost on the way.
            ConfigurationError: `root` is no address.
        """


class ReadsAddresses(ABC):
    """A connector that can read an address that is in no tag list yet."""

    @abstractmethod
    async def read_address(
        self, address: str, *, type_: str | None = None, order: str | None = None
    ) -> list[Interpretation]:
        """What is at an address: one interpretation, or all there are where none is asked for.

        Args:
            address: As a tag list writes it.
            type_: Of the value; None: whatever it may be.
            order: Word and byte order; None: every one.

        Returns:
            The most plausible first.

        Raises:
            ConfigurationError: It is no address, type or order of this source.
            DeviceError: It cannot be read.
        """


class ImportsTags(ABC):
    """A connector that reads what an engineering tool wrote of a source's tags."""

    imports: ClassVar[str]
    """What it reads, in words."""
    suffixes: ClassVar[tuple[str, ...]]
    """How the names of such files end."""

    @classmethod
    @abstractmethod
    def import_tags(cls, path: Path) -> Iterator[Node]:
        """The values that a file describes.

        Raises:
            ConfigurationError: It is no such file; the line is named.
        """


OFFERS: Final[dict[str, type]] = {
    "browse": Browses,
    "read": ReadsAddresses,
    "import": ImportsTags,
}
