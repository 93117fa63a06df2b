"""Apicurio Registry, with Confluent's API and its schemas in an H2 file."""

import json
import shutil
import tarfile
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from penstock.errors import StackError
from penstock.local import artifacts, java
from penstock.local.ports import HOST
from penstock.local.service import Name

HEAP_MB: Final = 256
ANSWER_S: Final = 2.0
# The stack is on this machine: no proxy of the environment may stand between.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Registry:
    """The registry whose data live in a folder.

    Args:
        folder: Of its data.
        port: Where clients connect.
    """

    folder: Path
    port: int
    name: ClassVar[Name] = "registry"

    @property
    def version(self) -> str:
        """Of Apicurio Registry."""
        return artifacts.pinned("registry")[0].version

    @property
    def address(self) -> str:
        """The URL of Confluent's API."""
        return f"http://{HOST}:{self.port}/apis/ccompat/v7"

    def command(self, jars: Path | None, mark: str) -> list[str]:
        """Unpack the program once per user, and say how to start."""
        (packed,) = artifacts.pinned("registry")
        program = artifacts.cache_folder() / f"{packed.name}-{packed.version}"
        if not program.is_dir():
            _unpack(artifacts.locate([packed], jars)[0], program)
        jar = program / f"{packed.name}-{packed.version}-runner.jar"
        return java.command(HEAP_MB, self.folder / "tmp", mark, ["-jar", str(jar)])

    def environment(self) -> dict[str, str]:
        """What the process sees of the environment; its settings among it."""
        database = self.folder / "data" / "registry"
        return {
            **java.environment(),
            # H2 writes half a second after a commit by default; a kill would lose the newest ids.
            "REGISTRY_DATASOURCE_URL": f"jdbc:h2:file:{database};WRITE_DELAY=0",
            "REGISTRY_DATASOURCE_USERNAME": "sa",
            "REGISTRY_DATASOURCE_PASSWORD": "sa",
            "HTTP_PORT": str(self.port),
            "QUARKUS_HTTP_HOST": HOST,
        }

    def answers(self) -> bool:
        """Whether it lists its subjects."""
        try:
            with _direct.open(f"{self.address}/subjects", timeout=ANSWER_S) as answer:
                return isinstance(json.load(answer), list)
        except (OSError, ValueError):
            return False


def _unpack(packed: Path, program: Path) -> None:
    """Unpack beside the place and move in whole, so that a half-unpacked one is never found."""
    try:
        program.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=program.parent, prefix=".unpack-"))
        try:
            with tarfile.open(packed) as archive:
                # Python before 3.11.4, as Debian 12 has it, knows no filters; the file is pinned.
                if hasattr(tarfile, "data_filter"):
                    archive.extraction_filter = tarfile.data_filter
                archive.extractall(draft)
            draft.rename(program)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        if program.is_dir():  # Another start was faster.
            return
        msg = f"cannot unpack the registry: {error}"
        raise StackError(
            msg, where=str(program.parent), remedy="set XDG_CACHE_HOME to a folder you own"
        ) from error
