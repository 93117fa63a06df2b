"""What people command: `penstock streams status | park | resume | reset`, on a real broker."""

import importlib.util
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner, Result

from penstock.cli import app, streams
from penstock.clock import now
from penstock.codec.records import decode_record
from penstock.codec.wire import unframe
from penstock.demo import anew
from penstock.errors import RunningError, StateError
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import options
from penstock.state.administration import Administration
from penstock.state.layout import meta_key
from penstock.state.reading import read_states
from schemas import schema_text

_spec = importlib.util.spec_from_file_location("host_rig", Path(__file__).with_name("host_rig.py"))
assert _spec is not None and _spec.loader is not None
host_rig = sys.modules.setdefault("host_rig", importlib.util.module_from_spec(_spec))
if not hasattr(host_rig, "Rig"):
    _spec.loader.exec_module(host_rig)
rig = host_rig.rig
Rig: Any = host_rig.Rig
Expected = host_rig.Expected


@pytest.fixture
def penstock(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line, for the rig's processor."""
    processor = rig.arguments.processor()
    monkeypatch.setattr(streams.components, "load", lambda _group, _name: lambda _plant: processor)
    monkeypatch.setattr(streams, "chosen", lambda _plant: [processor])
    monkeypatch.setattr(streams, "load_plant", lambda *_: rig.arguments.plant())

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["streams", *words])

    return run


def status(penstock: Any) -> dict[str, Any]:
    done = penstock("status", "--json")
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.output)
    return dict(found)


def total(found: dict[str, Any], books: str, what: str) -> int:
    return sum(one[books][what] for one in found["partitions"])


def test_park_resume_and_status_with_and_without_workers(rig: Rig, penstock: Any) -> None:
    worker = rig.start()
    rig.await_log("restored")
    rig.feed(200)
    rig.await_exact()
    done = penstock("park", rig.name, "--reason", "new boiler")
    assert done.exit_code == 0, done.output
    rig.await_log("parked by command")
    rig.feed(200)
    found = status(penstock)
    assert (found["parked"], found["workers"]) == ("new boiler", 1)
    assert {one["parked"] for one in found["partitions"]} == {"new boiler"}
    assert total(found, "records", "in") == total(found, "records", "processed") == 200
    assert total(found, "samples", "aggregated") == 1000
    assert sum(one["lag"] for one in found["partitions"]) == 200
    fed = [one for one in found["partitions"] if one["records"]["in"]]
    assert fed
    assert all(one["snapshot_rows"] and one["snapshot_age"] >= 0 for one in fed)
    told = rig.status(worker)
    assert set(told["parked"].values()) == {"new boiler"}
    assert told["failure"] is None
    assert "penstock_processor_parked" in rig.metrics(worker)

    worker.kill()
    worker.wait()
    worker = rig.start()  # who comes later obeys too
    rig.await_log("parked by command", 2)
    assert not rig.status(worker)["ready"]
    assert penstock("resume", rig.name).exit_code == 0
    rig.await_exact()
    rig.feed(50)
    rig.await_exact()
    worker.terminate()
    assert worker.wait(10) == 0
    found = status(penstock)
    assert (found["parked"], found["workers"]) == (None, 0)
    assert total(found, "records", "processed") == 450
    assert all(one["lag"] == 0 and one["parked"] is None for one in found["partitions"])
    assert rig.name in penstock("status").output


def test_reset_counts_anew_in_a_new_epoch(rig: Rig, penstock: Any) -> None:
    worker = rig.start()
    rig.await_log("restored")
    rig.feed(200)
    rig.await_exact()
    assert isinstance(
        penstock("reset", rig.name, "--to-beginning", "--yes").exception, RunningError
    )
    assert penstock("reset", rig.name, "--to-beginning").exit_code == 2, "not without --yes"
    assert penstock("reset", rig.name, "--yes").exit_code == 2, "from when?"
    ahead = penstock("reset", rig.name, "--to-time", "2999-01-01", "--yes").exception
    assert isinstance(ahead, StateError)
    assert "lies ahead" in str(ahead)
    assert "was not parked" in penstock("resume", rig.name).output
    penstock("park", rig.name)
    rig.await_log("parked by command")
    before = rig.snapshots()
    done = penstock("reset", rig.name, "--to-beginning", "--yes")
    assert done.exit_code == 0, done.output
    assert "resume" in done.output
    found = status(penstock)
    assert {one["partition"]: one["rebuilds_until"] for one in found["partitions"]} == {
        number: stored.meta.inputs[rig.reads].offset or None for number, stored in before.items()
    }
    penstock("resume", rig.name)
    rig.feed(100)
    rig.await_exact()  # of the greatest versions, which are the new epoch's
    rig.until(lambda: all(s.meta.epoch > before[n].meta.epoch for n, s in rig.snapshots().items()))
    after = rig.snapshots()
    assert all(after[n].meta.inputs[rig.reads].start == 0 for n in before)
    rig.until(lambda: not any(obsolete(rig).values()))
    worker.terminate()
    worker.wait()
    found = status(penstock)
    assert total(found, "records", "processed") == 300
    assert {one["rebuilds_until"] for one in found["partitions"]} == {None}
    epochs = {version(message)[0] for message in rig.await_messages(rig.writes, 1)}
    assert max(epochs) == after[0].meta.epoch
    assert epochs - {max(epochs)} <= {stored.meta.epoch for stored in before.values()}


def test_a_reset_and_a_resume_work_though_the_workers_clock_was_ahead(rig: Rig) -> None:
    rig.feed(400)
    worker = rig.start(behaviour=["fails"])
    rig.await_log("parked")
    rig.until(lambda: any(one.meta.parked for one in rig.snapshots().values()))
    worker.terminate()
    worker.wait()
    before = rig.snapshots()
    plant, processor = rig.arguments.plant(), rig.arguments.processor()
    behind = Administration(plant, processor, clock=lambda: now() - 3_600_000_000)
    resumed = behind.resume()
    assert not any(resumed.holds(one.meta.parked) for one in before.values())
    epoch = behind.reset(None).epoch
    assert epoch > max(one.meta.epoch for one in before.values())
    rig.start()
    rig.await_exact()
    rig.until(lambda: {one.meta.epoch for one in rig.snapshots().values()} == {epoch})


def test_after_a_reset_too_state_of_a_newer_release_is_told(rig: Rig, penstock: Any) -> None:
    worker = rig.start()
    rig.feed(80)
    rig.await_exact()
    worker.terminate()
    worker.wait()
    assert penstock("reset", rig.name, "--to-beginning", "--yes").exit_code == 0
    worker = rig.start()
    rig.await_log("restored", 2)
    rig.await_exact()
    rig.until(lambda: sum(rig.offsets().values()) == 80)
    worker.terminate()
    worker.wait()
    assert penstock("check").exit_code == 0
    (epoch,) = {one.meta.epoch for one in rig.snapshots().values()}
    newer = rig.snapshots()[0].meta.dump().replace(b'"format":', b'"format":9')
    rig.producer.produce(rig.state, newer, meta_key(epoch), partition=0)
    rig.producer.flush()
    checked = penstock("check")
    assert checked.exit_code != 0
    assert "newer release" in checked.output
    assert "newer release" in status(penstock)["partitions"][0]["parked"]


def test_state_that_is_lost_after_a_reset_is_said_and_begins_a_new_epoch(
    rig: Rig, penstock: Any
) -> None:
    assert penstock("reset", rig.name, "--to-beginning", "--yes").exit_code == 0
    worker = rig.start()
    rig.feed(80)
    rig.await_exact()
    rig.until(lambda: sum(rig.offsets().values()) == 80)
    worker.terminate()
    worker.wait()
    (before,) = {one.meta.epoch for one in rig.snapshots().values()}
    admin = AdminClient(options(rig.kafka))
    admin.delete_topics([rig.state])[rig.state].result()
    rig.until(lambda: rig.state not in admin.list_topics().topics)
    ensure_topics(rig.kafka, rig.contracts)
    rig.start()
    rig.await_log("state is missing: starting anew from what the topic holds, in a new epoch")
    rig.await_exact()
    rig.until(lambda: sum(rig.offsets().values()) == 80)
    read = [one.meta for one in rig.snapshots().values() if one.meta.inputs[rig.reads].offset]
    assert min(meta.epoch for meta in read) > before


def test_reset_to_a_time_leaves_out_what_was_before(rig: Rig, penstock: Any) -> None:
    rig.feed(100)
    worker = rig.start()
    rig.await_exact()
    worker.terminate()
    worker.wait()
    middle = datetime.now(UTC).isoformat()
    done = penstock("reset", rig.name, "--to-time", middle, "--yes")
    assert done.exit_code == 0, done.output
    rig.expected = Expected()
    rig.feed(100)
    rig.start()
    rig.await_log("restored", 2)
    found = rig.watch(lambda last: sum(c for c, _, _ in last.values()) == 500)
    assert sum(s for _, s, _ in found.values()) == rig.expected.sum
    assert penstock("reset", rig.name, "--to-time", "soon", "--yes").exit_code != 0


def test_a_demo_lets_processors_start_anew_whose_kept_state_does_not_fit(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant, another = rig.arguments.plant(), replace(rig.arguments, fingerprint="another release")
    fits, misfits = rig.arguments.processor(), another.processor()
    monkeypatch.setattr(anew, "chosen", lambda _: [fits])
    assert anew.start_anew(plant) == [], "nothing is stored yet"
    rig.feed(20)
    worker = rig.start()
    rig.await_exact()
    worker.terminate()
    worker.wait()
    assert anew.start_anew(plant) == []
    monkeypatch.setattr(anew, "chosen", lambda _: [misfits])
    assert anew.start_anew(plant) == [rig.name]
    rig.start(fingerprint="another release")
    rig.await_log("restored", 2)
    assert anew.start_anew(plant) == []


def obsolete(rig: Rig) -> dict[int, list[bytes]]:
    numbers = range(rig.kafka.partitions)
    return {n: one.obsolete for n, one in read_states(rig.kafka, rig.state, numbers).items()}


def version(message: Any) -> tuple[int, ...]:
    text = schema_text("WindowStatistics")
    datum = decode_record(unframe(message.value())[1], text, "WindowStatistics")
    return tuple(datum["version"].values())
