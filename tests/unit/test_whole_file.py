"""A small file is there whole, or as it was before."""

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
    monkeypatch.setattr(os, "fsync", lambda _: found.append(file.read_text()))
    write_whole(file, "after", durable=True)
    assert (found, file.read_text()) == (["before"], "after")
