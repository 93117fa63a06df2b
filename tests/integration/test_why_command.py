"""`penstock why` on a real Kafka: the revisions of a figure, and the late sample that moved it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.kafka import topics
from penstock.local.stack import LocalStack
from penstock.settings.plant import RegistrySettings

sys.path.insert(0, str(Path(__file__).parent))
from processor_rig import ProcessorRig

LINE, PRESS = "acme/bremen/line1", "acme/bremen/line1/press"
SECOND = 1_000_000
SHIFT = 1_772_344_800 * SECOND
"""2026-03-01T06:00:00Z."""
HOURS = 8 * 3600 * SECOND
VERSION = {"epoch": 1, "offsets": [1], "emission": 1}


def window(revision: int, oee: float, late: int) -> dict[str, Any]:
    """A revision of the figures of the press over its shift."""
    numbers = ("scrap", "planned_run_time", "good_run_time", "coverage", "produced", "good")
    inputs = [{"asset": PRESS, "panes": 480, "late": late, "watermark": SHIFT + HOURS,
               "partials_version": VERSION}]  # fmt: skip
    return {
        "id": f"{PRESS}/shift/early/{SHIFT}", "scope": "asset", "line": LINE, "asset": PRESS,
        "kind": "shift", "name": "early", "production_day": "2026-03-01",
        "window_start": SHIFT, "window_end": SHIFT + HOURS, "until": SHIFT + HOURS, "final": True,
        "incomplete": False, "missing": [], "watermark": SHIFT + HOURS, "revision": revision,
        "standard": "iso22400", "no_order_counts": "down", "work_units": 1,
        "balance": [{"element": "producing", "planning": "planned", "duration": HOURS}],
        "kpis": {"oee": oee}, "conventions": {}, "flags": ["state 99 is not mapped"],
        "inputs": inputs, "version": VERSION | {"offsets": [revision]},
    } | dict.fromkeys(numbers, 1.0)  # fmt: skip


def pane(start: int, *late: tuple[str, int, str]) -> dict[str, Any]:
    """A pane of the press, with late samples."""
    return {
        "line": LINE, "asset": PRESS, "pane_start": start, "pane_size": 60 * SECOND,
        "watermark": SHIFT + HOURS, "final": True, "version": VERSION, "order": "", "times": [],
        "pieces": [], "failures": [], "flags": [],
        "late": [dict(zip(("tag", "time", "value"), one, strict=True)) for one in late],
    }  # fmt: skip


@pytest.fixture
def rig(
    own_stack: LocalStack, registry: RegistrySettings, unique: str, tmp_path: Path
) -> Iterator[ProcessorRig]:
    (tmp_path / "tags.csv").write_text("asset,tag,address,type\nline1/press,made,1/40001,uint32\n")
    settings = {
        "environment": unique,
        "site": {"path": "acme/bremen", "timezone": "Europe/Berlin"},
        "assets": {"line1/press": {}},
        "sources": {"plc": {"type": "modbus", "host": "127.0.0.1", "tags": "tags.csv"}},
        "windows": {"sizes": {"10 s": {"reopen_for": "1 h"}}},
    }
    reads = {topics.KPIS.name: "KpiWindow", topics.PRODUCTION.name: "ProductionPartial"}
    yield ProcessorRig(tmp_path, settings, own_stack, registry, reads)


def why(rig: ProcessorRig, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "penstock", "why", *words, "--config", str(rig.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_figure_is_told_with_its_revisions_and_what_moved_it(rig: ProcessorRig) -> None:
    for revision, (oee, late) in enumerate([(0.5, 0), (0.75, 1)], 1):
        name = topics.KPIS.name
        rig.send(name, LINE, rig.record(name, window(revision, oee, late)))
    rig.send(topics.KPIS.name, LINE, b"nonsense")
    late_at = SHIFT + 90 * SECOND
    for one in (
        pane(SHIFT + 60 * SECOND, ("made", late_at, "7")),
        pane(SHIFT + HOURS, ("made", SHIFT + HOURS, "8")),  # of the next shift
    ):
        name = topics.PRODUCTION.name
        rig.send(name, LINE, rig.record(name, one))
    rig.producer.flush()
    asked = ("line1/press", "oee", "2026-03-01T11:00:00")  # by the site's clock
    code, text = why(rig, *asked, "--json")
    found = json.loads(text[text.index("{\n") :])
    assert code == 0
    assert [one["kpis"]["oee"] for one in found["revisions"]] == [0.5, 0.75]
    assert found["late"] == [{"asset": PRESS, "tag": "made", "time": late_at, "value": "7"}]
    code, text = why(rig, *asked)
    assert code == 0 and "oee = 0.75" in text and "2026-03-01 07:01:30+01:00" in text
    assert "doubtful: state 99 is not mapped" in text
    code, text = why(rig, "line1/press", "oe", "2026-03-01T10:00:00Z")
    assert code == 2 and "did you mean 'oee'" in text
