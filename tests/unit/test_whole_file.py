"""A small file is there whole, or as it was before."""

import errno
import os
from pathlib import Path

import pytest

from penstock.whole_file import write_whole


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_and_no_draft_is_left(tmp_path: Path, durable: bool) -> None:
    file = tmp_path / "note.json"
    for text in ("first\n", "zweiter: ü\r\n"):
        write_whole(file, text, durable=durable)
        assert file.read_bytes() == text.encode()
    assert list(tmp_path.iterdir()) == [file]


def test_a_reader_never_finds_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "note.json"
    write_whole(file, "before")
    found = []
    sizes = []

    def sync(number: int) -> None:
        found.append(file.read_text())
        sizes.append(os.fstat(number).st_size)

    monkeypatch.setattr(os, "fsync", sync)
    write_whole(file, "after", durable=True)
    assert found == ["before", "after"]  # the file's text, and the name in its folder
    assert sizes[0] == len("after")


def test_no_draft_is_left_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = tmp_path / "note.json"
    write_whole(file, "before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, "after", durable=True)
    assert (list(tmp_path.iterdir()), file.read_text()) == ([file], "before")
