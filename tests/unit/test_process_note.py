"""A component's note is there while it lives; what is another process's stays."""

import json
import os
from pathlib import Path

import pytest

from penstock import logs
from penstock.errors import ConfigurationError
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


def test_a_folder_that_cannot_be_written_in_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError) as caught, process(SINK, tmp_path / "file/run"):
        pass
    assert caught.value.where == str(tmp_path / "file/run")
    assert "cannot write there: Not a directory" in str(caught.value)
    assert "--run-dir" in str(caught.value.remedy)
