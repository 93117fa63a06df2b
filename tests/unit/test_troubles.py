"""What `penstock run` tells of its components' logs."""

import json
from pathlib import Path

from penstock.runtime.lately import AGAIN_SECONDS
from penstock.runtime.troubles import Trouble, Troubles


def line(level: str, event: str, **more: str) -> str:
    return json.dumps({"level": level, "event": event, **more}) + "\n"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_warnings_and_errors_are_told_once_a_minute_with_their_cause(tmp_path: Path) -> None:
    log, clock = tmp_path / "sink.log", Clock()
    log.write_text(line("error", "of an earlier run"))
    troubles = Troubles({"sink": log, "connector": tmp_path / "not-yet.log"}, clock)
    assert list(troubles.new()) == []
    with log.open("a") as more:
        more.write(line("info", "restored"))
        more.write("Traceback (most recent call last):\n")
        more.write(line("warning", "kafka", error="no broker"))
        more.write(line("warning", "kafka", error="still no broker"))
        more.write('{"level": "error", "event": "half a')
    assert list(troubles.new()) == [Trouble("sink", "kafka: no broker")]
    with log.open("a") as more:
        more.write(' line"}\n' + line("warning", "kafka", error="again"))
    (tmp_path / "not-yet.log").write_text(line("critical", "fenced"))
    assert list(troubles.new()) == [
        Trouble("sink", "half a line"),
        Trouble("connector", "fenced"),
    ]
    clock.now += AGAIN_SECONDS
    with log.open("a") as more:
        more.write(line("warning", "kafka", error="no broker"))
    assert list(troubles.new()) == [Trouble("sink", "kafka: no broker")]


def test_a_log_that_was_set_aside_is_read_from_its_new_beginning(tmp_path: Path) -> None:
    log = tmp_path / "sink.log"
    log.write_text(line("info", "a long history") * 10)
    troubles = Troubles({"sink": log})
    log.write_text(line("error", "new"))
    assert list(troubles.new()) == [Trouble("sink", "new")]
