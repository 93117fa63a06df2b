"""Every line is one JSON object that names its component, whoever wrote it."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import logging, threading
import structlog
from penstock import logs


early = structlog.get_logger()  # as modules make theirs when imported
logs.configure("sink-lake")
early.info("committed", rows=3)
structlog.get_logger().bind(source="plc").warning("link lost", error="unplugged\\nagain")
logging.getLogger("somebody").error("said %s", "this")
logging.getLogger("somebody").info("narrated")
logging.getLogger("pymodbus").error("narrated")
logging.getLogger("mode.timers").warning("Timer commit is overlapping")
thread = threading.Thread(target=lambda: structlog.get_logger().info("in a thread"))
thread.start(); thread.join()
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("failed")
"""


def test_lines() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=30
    )
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert ran.stdout == ""
    assert {line["component"] for line in lines} == {"sink-lake"}
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert [(line["level"], line["event"]) for line in lines] == [
        ("info", "committed"), ("warning", "link lost"), ("error", "said this"),
        ("info", "narrated"), ("info", "in a thread"), ("error", "failed"),
    ]  # fmt: skip
    assert lines[0]["rows"] == 3
    assert (lines[1]["source"], lines[1]["error"]) == ("plc", "unplugged\nagain")
    assert "ZeroDivisionError" in lines[-1]["exception"]


def test_lines_go_to_a_file_where_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "demo.log"
    script = (
        "import sys, pathlib, structlog; from penstock import logs\n"
        "logs.configure('demo', file=pathlib.Path(sys.argv[1]))\n"
        "structlog.get_logger().info('began')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(file)],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert ran.stderr == ""
    (line,) = file.read_text().splitlines()
    assert json.loads(line)["event"] == "began"
