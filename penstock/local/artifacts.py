"""The jars of the local stack: pinned by coordinate, size and SHA-256, found, fetched and verified.

They live in the user's Maven repository (`M2_REPO`, else `~/.m2/repository`), where every checkout
and other tools share them. A jar is fetched beside its place, verified, and only then moved in: an
interrupted or tampered download is never found there. That a file was verified is remembered with
its size and time of change, so that only changed files are hashed again.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

import requests
from jgo.maven import MavenContext
from jgo.maven._resolver import PythonResolver

from penstock.errors import StackError
from penstock.whole_file import write_whole

Component = Literal["kafka", "registry"]
Progress = Callable[[int], None]
"""Is told the bytes that arrived since the last call."""

PINS: Final = "pins.json"
DOWNLOADS_AT_ONCE: Final = 4
ATTEMPTS: Final = 3
TIMEOUT_S: Final = 30


@dataclass(frozen=True, slots=True)
class Artifact:
    """One pinned file of a Maven repository; `size` is in bytes, `sha256` in hex."""

    group: str
    name: str
    version: str
    packaging: str
    classifier: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        """The file's name, as Maven builds it.

        >>> Artifact("g", "app", "1.0", "tar.gz", "all", 0, "").filename
        'app-1.0-all.tar.gz'
        """
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.packaging}"

    @property
    def path(self) -> Path:
        """Where the file is below the root of a Maven repository."""
        return Path(*self.group.split("."), self.name, self.version, self.filename)


def cache_folder() -> Path:
    """The user's folder for what can be made again: XDG's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock"


def repository() -> Path:
    """The user's local Maven repository."""
    return Path(MavenContext().repo_cache).expanduser()


@cache
def pinned(component: Component) -> tuple[Artifact, ...]:
    """All files of a component, in the order of its class path."""
    pins = json.loads(files("penstock.local").joinpath(PINS).read_text("utf-8"))
    return tuple(Artifact(**entry) for entry in pins[component])


def find(artifact: Artifact, jars: Path | None = None) -> Path | None:
    """Where the file is on this machine, not yet verified; None: nowhere.

    Args:
        artifact: What to look for.
        jars: Look only here, for the bare file or laid out as a Maven repository.
    """
    places = [jars / artifact.filename, jars / artifact.path] if jars else []
    places = places or [repository() / artifact.path]
    return next((place for place in places if place.is_file()), None)


def locate(
    wanted: Iterable[Artifact], jars: Path | None = None, progress: Progress | None = None
) -> list[Path]:
    """Find all files, fetch those that are missing, and verify every one.

    Args:
        wanted: The files, in the order of the answer.
        jars: A folder that holds them, for machines that cannot download: nothing is fetched.
        progress: Is told the bytes that arrive.

    Raises:
        StackError: A file is not what was pinned, is missing from `jars`, or cannot be fetched.
    """
    wanted = list(wanted)
    missing = [artifact for artifact in wanted if find(artifact, jars) is None]
    if missing and jars:
        names = "\n  ".join(artifact.filename for artifact in missing)
        msg = f"{len(missing)} of {len(wanted)} files are missing:\n  {names}\n"
        raise StackError(msg, where=str(jars), remedy=_CARRY)
    if missing:
        _fetch_all(missing, progress)
    paths = [found for artifact in wanted if (found := find(artifact, jars))]
    verify(list(zip(wanted, paths, strict=True)))
    return paths


_CARRY: Final = (
    "on a machine that can download, `python -m penstock.local.fetch DIR` gathers all of them; "
    "carry DIR over and start with `penstock up --jars DIR`"
)


def verify(pairs: list[tuple[Artifact, Path]]) -> None:
    """Compare files with their pins; what was verified before and has not changed is not read.

    Raises:
        StackError: A file differs.
    """
    memory = cache_folder() / "verified.json"
    known = _read_json(memory)
    fresh: dict[str, list[object]] = {}
    for artifact, path in pairs:
        stat = path.stat()
        state: list[object] = [stat.st_size, stat.st_mtime_ns, artifact.sha256]
        if known.get(str(path.absolute())) == state:
            continue
        if stat.st_size != artifact.size or sha256(path) != artifact.sha256:
            msg = f"not the file that Penstock pins: SHA-256 is not {artifact.sha256}"
            raise StackError(
                msg, where=str(path), remedy="delete the file and start again to fetch it anew"
            )
        fresh[str(path.absolute())] = state
    if fresh:
        _write_json(memory, {**known, **fresh})


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_all(missing: list[Artifact], progress: Progress | None) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE, "download") as pool:
        try:
            list(pool.map(lambda artifact: _fetch(artifact, progress, stop), missing))
        except BaseException:
            stop.set()  # Else Ctrl-C would wait for the downloads under way.
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(artifact: Artifact, progress: Progress | None, stop: threading.Event) -> None:
    place = repository() / artifact.path
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".penstock-") as folder:
            path = _download(artifact, Path(folder), progress, stop)
            if sha256(path) != artifact.sha256:
                msg = f"the download is not the file that Penstock pins ({artifact.sha256})"
                raise StackError(
                    msg,
                    where=artifact.filename,
                    remedy="a proxy or mirror may have answered in its place: try again, "
                    "else get the file elsewhere and use `penstock up --jars DIR`",
                )
            path.replace(place)
    except OSError as error:
        if isinstance(error, requests.RequestException):
            raise
        msg = f"cannot write: {error}"
        raise StackError(msg, where=str(place), remedy="set M2_REPO to a folder you own") from error


def _download(
    artifact: Artifact, folder: Path, progress: Progress | None, stop: threading.Event
) -> Path:
    """Fetch one file into a folder of its own, trying again when the connection breaks."""
    total = 0

    def arrived(count: int) -> None:
        nonlocal total
        if stop.is_set():
            raise InterruptedError
        total += count
        if progress:
            progress(count)

    @contextlib.contextmanager
    def report(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        arrived(-total)  # A second attempt begins anew.
        yield arrived

    context = MavenContext(
        PythonResolver(progress_callback=report), repo_cache=folder, timeout=TIMEOUT_S
    )
    component = context.project(artifact.group, artifact.name).at_version(artifact.version)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return Path(component.artifact(artifact.classifier, artifact.packaging).resolve())
        except (requests.RequestException, RuntimeError) as error:
            shutil.rmtree(folder / artifact.path.parts[0], ignore_errors=True)
            if attempt == ATTEMPTS or stop.wait(attempt):
                msg = f"cannot be downloaded: {error}"
                raise StackError(msg, where=artifact.filename, remedy=_CARRY) from error
    raise AssertionError


def _read_json(path: Path) -> dict[str, list[object]]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_json(path: Path, value: object) -> None:
    """Keep what was learnt; where the folder cannot be written, it is learnt anew each time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(value, indent=1))
