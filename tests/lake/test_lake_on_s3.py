"""The lake on an S3-compatible object store: versitygw, which keeps its objects as files.

PENSTOCK_TEST_VERSITYGW names the program; else it is looked for on the path and in the cache.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from lake_worker import Arguments, new_sink, record

from penstock.errors import FencedError, LakeError
from penstock.kafka.topics import SENSORS
from penstock.lake import check, compact, open_lake, query, vacuum

CACHED = Path.home() / ".cache/penstock-tests/versitygw-v1.8.0"
KEY, SECRET = "penstock", "open sesame"
PARTITIONS = [0, 1]
KILLS = 3
SECONDS = 60.0


def gateway() -> str:
    """The server's program; without it, skip."""
    named = os.environ.get("PENSTOCK_TEST_VERSITYGW")
    found = named or shutil.which("versitygw") or shutil.which(CACHED / "versitygw")
    if not found:
        pytest.skip(
            "there is no versitygw; this builds it: "
            f"GOBIN={CACHED} go install github.com/versity/versitygw/cmd/versitygw@v1.8.0"
        )
    return found


class Store:
    """An object store with one bucket."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder, self.program = folder, program
        self.lake = folder / "objects" / "plant" / "lake"
        self.lake.parent.mkdir(parents=True)
        (folder / "sidecar").mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.options = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [self.program, "--quiet", "--port", f"127.0.0.1:{self.port}"]
        command += ["posix", "--sidecar", str(self.folder / "sidecar")]
        command += [str(self.folder / "objects")]
        keys = {"ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, env=os.environ | keys, stdout=log, stderr=log)
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return not probe.connect_ex(("127.0.0.1", self.port))

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def files(self) -> set[str]:
        """Data files, committed or not."""
        table = self.lake / "samples"
        return {str(file.relative_to(table)) for file in table.glob("site=*/*/*.parquet")}

    def orphans(self) -> set[str]:
        """Data files that were uploaded and not committed."""
        table = DeltaTable("s3://plant/lake/samples", storage_options=self.options)
        added = pa.table(table.get_add_actions(flatten=True))
        return self.files() - {unquote(path) for path in added["path"].to_pylist()}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path, gateway())
    store.start()
    yield store
    store.stop()


def start(arguments: Arguments, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(arguments.command(), stdout=file, stderr=file)


def assert_each_once(arguments: Arguments) -> None:
    """All samples of all partitions, each exactly once."""
    found = query(
        open_lake(arguments.lake, arguments.options),
        "select kafka_partition, count(*), count(distinct value), max(value)"
        " from samples group by 1 order by 1",
    )[1]
    wanted = arguments.records * arguments.samples
    assert found == [(p, wanted, wanted, wanted - 1) for p in arguments.partitions]
    assert check(arguments.lake, arguments.options).lost == []


def test_killed_between_upload_and_commit_each_sample_is_there_once(store: Store) -> None:
    """Each kill comes as soon as a new data file is uploaded; some come before its commit."""
    log = store.folder / "worker.log"
    arguments = Arguments("s3://plant/lake", PARTITIONS, records=40, batch=5, options=store.options)
    between = 0
    for _ in range(KILLS):
        before = store.files()
        process = start(arguments, log)
        deadline = time.monotonic() + SECONDS
        while not store.files() - before:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline
        process.kill()
        process.wait()
        if (store.lake / "samples" / "_delta_log").exists():
            between += bool(store.orphans())
    assert between, "no kill hit the moment that this test is about"
    process = start(arguments, log)
    assert process.wait(SECONDS) == 0, log.read_text()[-2000:]
    assert_each_once(arguments)
    compact(arguments.lake, arguments.options)
    vacuum(arguments.lake, arguments.options)
    assert_each_once(arguments)


def test_a_store_that_goes_away_and_comes_back_has_each_sample_once(store: Store) -> None:
    log = store.folder / "worker.log"
    arguments = Arguments("s3://plant/lake", PARTITIONS, records=40, batch=5, options=store.options)
    process = start(arguments, log)
    deadline = time.monotonic() + SECONDS
    while not store.files():
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline
    store.stop()
    assert process.poll() is None
    store.start()
    assert process.wait(SECONDS) == 0, log.read_text()[-2000:]
    assert_each_once(arguments)


def test_of_two_sinks_of_one_name_one_alone_gets_through(store: Store) -> None:
    """The store's conditional put decides: both believe that the partition is theirs."""
    one, other = (new_sink("s3://plant/lake", options=store.options) for _ in range(2))
    for sink in (one, other):
        assert sink.open(SENSORS.name, 0) is None
        sink.write([record(0, 0)])
    assert one.flush(force=True) == {(SENSORS.name, 0): 1}
    assert other.flush(force=True) == {(SENSORS.name, 0): 1}  # the same rows: they are there
    assert other.counters["rows"] == 0
    one.write([record(0, 1), record(0, 2)])
    one.flush(force=True)
    other.write([record(0, 1)])
    with pytest.raises(FencedError):
        other.flush(force=True)
    assert_each_once(Arguments("s3://plant/lake", [0], records=3, options=store.options))


def test_a_wrong_key_is_named(store: Store) -> None:
    wrong = store.options | {"AWS_SECRET_ACCESS_KEY": "guessed"}
    with pytest.raises(
        LakeError, match=r"(?s)s3://plant/lake/samples: .*(SignatureDoesNotMatch|403)"
    ):
        new_sink("s3://plant/lake", options=wrong).open(SENSORS.name, 0)
