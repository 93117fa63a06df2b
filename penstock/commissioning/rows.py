"""Tag lists to be written: from what browsing or an import found, and one row more."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from penstock.commissioning.offers import Node
from penstock.errors import ConfigurationError
from penstock.settings.tag_lists import delimiter_of, encoding_of, read_text
from penstock.settings.tags import Tag

COLUMNS: Final = tuple(name for name, field in Tag.model_fields.items() if not field.exclude)
_REQUIRED: Final = tuple(name for name, field in Tag.model_fields.items() if field.is_required())
Row = dict[str, str]


def rows_of(nodes: Iterable[Node], asset: str | None = None) -> Iterator[Row]:
    """A row for each value: its folders are the asset, unless one is named.

    Where a name would be there twice, the later gets a number.

    >>> node = Node(("press", "T"), "i=1", "Double")
    >>> [(row["asset"], row["tag"]) for row in rows_of([node, node])]
    [('press', 'T'), ('press', 'T_2')]
    >>> next(rows_of([node], "hall/press07"))["tag"]
    'press.T'
    """
    taken: set[tuple[str, str]] = set()
    for node in nodes:
        if not node.is_value:
            continue
        names = [name.strip().replace("/", "_") or "_" for name in node.path]
        of, tag = asset, ".".join(names)
        if of is None:
            of, tag = "/".join(names[:-1]) or "plant", names[-1]
        unique, number = tag, 1
        while (of, unique) in taken:
            number += 1
            unique = f"{tag}_{number}"
        taken.add((of, unique))
        found = {"asset": of, "tag": unique, "address": node.address, "type": node.type,
                 "unit": node.unit, "description": node.description}  # fmt: skip
        yield {name: value for name, value in found.items() if value}


def rows_of_tags(tags: Iterable[Tag]) -> Iterator[Row]:
    """Tags as rows, as they would be written anew."""
    for tag in tags:
        yield {
            name: str(value)
            for name, value in tag.model_dump(mode="json", exclude_defaults=True).items()
            if value is not None
        }


def as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """A tag list with the columns that are used."""
    columns = [n for n in COLUMNS if n in _REQUIRED or any(row.get(n) for row in rows)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def append_row(path: Path, row: Mapping[str, str], shown: Path | None = None) -> None:
    """Add a row to a tag list, in its own dialect; make the list where there is none.

    Raises:
        ConfigurationError: The list lacks a column that the row needs, has such a tag already, or
            cannot be written to.
    """
    where = str(shown or path)
    try:
        if not path.exists() or not path.stat().st_size:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(as_csv([row]), encoding="utf-8")
            return
        text = read_text(path)
        delimiter = delimiter_of(text)
        lines = list(csv.reader(io.StringIO(text), delimiter=delimiter))
        header = next(i for i, cells in enumerate(lines) if any(cells) and len(cells) > 1)
        columns = ["_".join(name.lower().split()) for name in lines[header]]
        missing = [name for name in row if name not in columns]
        if missing:
            msg = f"there is no column {', '.join(missing)}"
            raise ConfigurationError(msg, where=where, remedy="add it to the list's first line")
        at = [columns.index(name) for name in ("asset", "tag")]
        for number, cells in enumerate(lines[header + 1 :], header + 2):
            if [cells[i] for i in at if i < len(cells)] == [row["asset"], row["tag"]]:
                msg = f"{row['asset']} has a tag {row['tag']!r} already"
                raise ConfigurationError(msg, where=f"{where}:{number}", remedy="name it otherwise")
        added = io.StringIO()
        end = "\r\n" if "\r\n" in text else "\n"
        cells = [row.get(name, "") for name in columns]
        csv.writer(added, delimiter=delimiter, lineterminator=end).writerow(cells)
        gap = "" if text.endswith(("\n", "\r")) else end
        encoding = encoding_of(path.read_bytes())
        with path.open("ab") as file:
            file.write(f"{gap}{added.getvalue()}".encode(encoding))
    except OSError as error:
        msg = f"cannot be written: {error.strerror}"
        raise ConfigurationError(msg, where=where, remedy="correct its rights") from error
