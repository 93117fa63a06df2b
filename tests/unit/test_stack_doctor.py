"""The doctor's verdicts, each with a remedy where something is wrong."""

import os
import socket
from pathlib import Path
from typing import NamedTuple

import pytest

from penstock.local import doctor
from penstock.local.doctor import Finding
from penstock.local.ports import HOST
from penstock.local.stack import LocalStack

YEAR_2106 = 4_300_000_000_000_000


@pytest.fixture
def stack(tmp_path: Path) -> LocalStack:
    return LocalStack(tmp_path / "stack", 0, 0)


def test_finds_nothing_wrong_before_the_first_start(stack: LocalStack) -> None:
    found = {finding.check: finding for finding in doctor.diagnose(stack)}
    names = "python java jars folder disk memory clock kafka registry".split()
    assert {*names, "kafka port", "registry port"} == set(found)
    assert "25" in found["java"].detail
    assert found["kafka"].verdict == found["registry"].verdict == "warn"
    assert "penstock up" in found["kafka"].remedy
    assert not stack.folder.path.exists()
    for finding in found.values():
        assert (finding.verdict == "ok") == (not finding.remedy), finding


def test_the_readme_names_the_memory_that_doctor_wants() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert f"`make run` takes {doctor.DEMO_GB:g} GB" in readme
    assert f"registry alone {doctor.SERVICES_GB:g} GB" in readme


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (doctor.disk(10**12, Path("/")), "ok"),
        (doctor.disk(2 * 10**9, Path("/")), "warn"),
        (doctor.disk(10**8, Path("/")), "fail"),
        (doctor.memory(10**10), "ok"),
        (doctor.memory(10**9), "warn"),
        (doctor.memory(10**8), "fail"),
        (doctor.clock(Path("none"), 0), "fail"),
        (doctor.clock(Path("none"), YEAR_2106), "fail"),
        (doctor.clock(Path("none")), "ok"),
    ],
)
def test_verdict(finding: Finding, verdict: str) -> None:
    assert finding.verdict == verdict
    assert bool(finding.remedy) == (verdict != "ok")


def test_the_fullest_of_the_disks_that_hold_a_stack_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kafka").mkdir()
    room = {tmp_path: 10**12, tmp_path / "kafka": 10**6}

    def usage(path: Path) -> _Usage:
        return _Usage(room[path])

    monkeypatch.setattr("shutil.disk_usage", usage)
    assert doctor.fullest(tmp_path) == (10**6, tmp_path / "kafka")


class _Usage(NamedTuple):
    free: int


def test_a_clock_behind_the_stack_s_own_logs_is_told(stack: LocalStack) -> None:
    log = stack.folder.log("kafka")
    log.parent.mkdir(parents=True)
    log.touch()
    assert doctor.clock(stack.folder.path).verdict == "ok"
    later = log.stat().st_mtime + 3600
    os.utime(log, (later, later))
    assert doctor.clock(stack.folder.path).verdict == "warn"


def test_a_foreign_process_on_a_port_is_named(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        finding = doctor.port(LocalStack(tmp_path, kafka_port=port), "kafka")
    assert finding.verdict == "fail"
    assert f"(pid {os.getpid()})" in finding.detail
    assert "--kafka-port" in finding.remedy


def test_missing_jars_are_named_where_they_cannot_be_downloaded(tmp_path: Path) -> None:
    finding = doctor.jars(LocalStack(tmp_path / "stack", jars=tmp_path))
    assert finding.verdict == "fail"
    assert "kafka-clients-4.2.0.jar" in finding.detail
    assert str(tmp_path) in finding.remedy


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o400)
    finding = doctor.folder(LocalStack(tmp_path / "file"))
    assert finding.verdict == "fail"
