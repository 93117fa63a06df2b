"""A component's note is there while it lives; what is another process's stays."""

import json
import os
from pathlib import Path

import pytest

from penstock import logs
from penstock.runtime.process import Component, process

SINK = Component("sink", "lake")


@pytest.fixture(autouse=True)
def logs_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "configure", lambda _component: None)


def test_the_note_goes_with_its_process(tmp_path: Path) -> None:
    note = tmp_path / f"{SINK}.json"
    with process(SINK, tmp_path):
        assert json.loads(note.read_text())["pid"] == os.getpid()
    assert not note.exists()


@pytest.mark.parametrize("content", ['{"pid": 1, "port": 80}', "half a no"])
def test_a_note_of_another_process_stays(tmp_path: Path, content: str) -> None:
    note = tmp_path / f"{SINK}.json"
    with process(SINK, tmp_path):
        note.write_text(content)
    assert note.read_text() == content
