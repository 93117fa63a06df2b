"""How a snapshot lies in the state topic: one message per row, and one that describes them.

Keys begin with the epoch, so that the state of a reset processor is built beside the old one:

    <epoch>/meta           the description, last of a snapshot's transaction
    <epoch>/row/<name>     a row; where it is too large for a message, its first part
    <epoch>/part/<k>/<name>  part k (1, 2 …) of a large row

A row of several parts says in the header `parts` of its first one how many they are. Format 1 had
no epochs: `meta` and `row:<name>`.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from penstock.errors import StateError
from penstock.state.checkpoint import Checkpoint, Meta, seen_of_format_1

PART_BYTES: Final = 900_000
"""Fits into a message also where the topic was made with Kafka's default limit of 1 MiB."""
PARTS: Final = "parts"
"""Header: of how many parts a row is."""
OPERATOR: Final = "operator/"
"""How the names of the operator's rows begin."""
OUTBOX: Final = "outbox"
"""The row of results that go out once it is stored, where a processor reads several topics."""
SEEN: Final = "seen/"
"""How the names of the rows begin that hold the seen ranges."""
LEVELS: Final = "levels/"
"""How the names of the rows begin that hold each stream's watermark."""
BEFORE: Final = "before/"
"""The same of the epoch before, in a state that began with a reset to a time."""
_META_1: Final = b"meta"
_ROW_1: Final = b"row:"


class RowMessage(NamedTuple):
    """A message of the state topic; `parts` is 0 except for the first part of a large row."""

    key: bytes
    value: bytes | None
    parts: int = 0


def meta_key(epoch: int) -> bytes:
    """The key of an epoch's description."""
    return b"%d/meta" % epoch


def messages_of(epoch: int, name: str, row: bytes | None, parts_before: int) -> list[RowMessage]:
    """The messages that store or delete (None) a row; parts that it no longer has are deleted.

    >>> [m.key for m in messages_of(7, "a", b"x" * 1_000_000, 3)]
    [b'7/row/a', b'7/part/1/a', b'7/part/2/a']
    """
    parts = parts_of(len(row or b""))
    found = [RowMessage(_key(epoch, name, 0), row, 0)]
    if row is not None and parts > 1:
        cuts = [row[k * PART_BYTES : (k + 1) * PART_BYTES] for k in range(parts)]
        found = [RowMessage(_key(epoch, name, k), cut) for k, cut in enumerate(cuts)]
        found[0] = found[0]._replace(parts=parts)
    gone = range(max(parts, 1), parts_before)
    return found + [RowMessage(_key(epoch, name, k), None) for k in gone]


def parts_of(size: int) -> int:
    """Into how many messages a row of so many bytes goes."""
    return -(-size // PART_BYTES) or 1


def _key(epoch: int, name: str, part: int) -> bytes:
    head = f"{epoch}/part/{part}/" if part else f"{epoch}/row/"
    return (head + name).encode()


@dataclass(slots=True)
class Stored:
    """The state of a partition as read; `checkpoint` is None where there is none."""

    checkpoint: Checkpoint | None = None
    older: Meta | None = None
    """Of the epoch before, which is kept until the newer one has caught up."""
    keys: list[bytes] = field(default_factory=list)
    """Keys of the checkpoint's messages."""
    obsolete: list[bytes] = field(default_factory=list)
    """Keys of all that does not belong to the checkpoint."""
    old_layout: bool = False
    """The checkpoint lies in the layout of format 1: its rows are to be stored anew."""
    error: StateError | None = None
    """Why the state cannot be read."""
    epoch: int = 0
    """The greatest there, whether it can be read or not."""


def gather(messages: Mapping[bytes, RowMessage], where: str) -> Stored:
    """Make one state of the newest message of each key; the greatest epoch counts."""
    epochs = sorted(epoch for epoch in map(_epoch_of, messages) if epoch is not None)
    if not epochs:
        return Stored(obsolete=list(messages))
    newest = epochs[-1]
    own = {key for key in messages if newest and key.startswith(b"%d/" % newest)}
    try:
        meta = _meta(messages, newest, where)
        rows = _rows(messages, own, meta, where) if newest else _rows_of_format_1(messages)
    except StateError as error:
        return Stored(error=error, obsolete=list(messages), epoch=newest)
    older = None
    if len(epochs) > 1:
        with suppress(StateError):  # unreadable: nothing to wait for
            older = _meta(messages, epochs[-2], where)
    obsolete = [key for key in messages if key not in own]
    return Stored(
        Checkpoint(rows, meta), older, list(own), obsolete, old_layout=not newest, epoch=newest
    )


class Described(NamedTuple):
    """The newest description of a partition's state."""

    epoch: int
    meta: Meta | StateError
    """Itself, or why it cannot be read."""


def newest_meta(messages: Mapping[bytes, RowMessage], where: str) -> Described | None:
    """The description of the greatest epoch, None where there is none among the messages."""
    epochs = [epoch for epoch in map(_epoch_of, messages) if epoch is not None]
    if not epochs:
        return None
    try:
        meta = _meta(messages, max(epochs), where)
    except StateError as error:
        return Described(max(epochs), error)
    return Described(meta.epoch, meta)


def _epoch_of(key: bytes) -> int | None:
    """The epoch that a key describes, 0 for format 1; None for keys of rows."""
    if key == _META_1:
        return 0
    epoch, _, rest = key.partition(b"/")
    return int(epoch) if rest == b"meta" and epoch.isdigit() else None


def _meta(messages: Mapping[bytes, RowMessage], epoch: int, where: str) -> Meta:
    return Meta.load(messages[meta_key(epoch) if epoch else _META_1].value or b"", where)


def _rows(
    messages: Mapping[bytes, RowMessage], own: Iterable[bytes], meta: Meta, where: str
) -> dict[str, bytes]:
    head = b"%d/row/" % meta.epoch
    rows = {}
    for key in own:
        if key.startswith(head):
            name = key.removeprefix(head).decode()
            keys = [key] + [_key(meta.epoch, name, k) for k in range(1, messages[key].parts)]
            rows[name] = b"".join(messages[k].value or b"" for k in keys if k in messages)
    size = sum(map(len, rows.values()))
    if (len(rows), size) != (meta.rows, meta.size):
        msg = (
            f"the state is not whole: {len(rows)} rows of {size} bytes are there, "
            f"{meta.rows} of {meta.size} were stored"
        )
        raise StateError(msg, where=where, remedy="reset the processor")
    return rows


def _rows_of_format_1(messages: Mapping[bytes, RowMessage]) -> dict[str, bytes]:
    rows = {
        OPERATOR + key.removeprefix(_ROW_1).decode(): message.value or b""
        for key, message in messages.items()
        if key.startswith(_ROW_1)
    }
    return rows | {f"{SEEN}0": seen_of_format_1(messages[_META_1].value or b"")}
