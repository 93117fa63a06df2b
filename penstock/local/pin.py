"""Writes the pin file anew after a change of version: `python -m penstock.local.pin`.

Maven's resolution of the dependencies happens here, once and reviewed, and never on a user's
machine: there, exactly the listed files are fetched.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import jgo
from jgo.maven import MavenContext

from penstock.local.artifacts import PINS, Artifact, sha256

KAFKA: Final = "4.2.0"
SLF4J: Final = "1.7.36"
APICURIO: Final = "2.6.13.Final"


def resolve() -> dict[str, list[Artifact]]:
    """Download all that the local stack needs, and describe it."""
    kafka = jgo.resolve(f"org.apache.kafka:kafka_2.13:{KAFKA}")
    # Without a binding of SLF4J the broker logs nothing, and every failure is a silent exit.
    kafka += jgo.resolve(f"org.slf4j:slf4j-simple:{SLF4J}")
    component = MavenContext().project("io.apicurio", "apicurio-registry-app").at_version(APICURIO)
    return {
        "kafka": _describe(kafka),
        "registry": _describe([component.artifact("all", "tar.gz")]),
    }


def _describe(found: Iterable[Any]) -> list[Artifact]:
    artifacts: dict[str, Artifact] = {}
    for each in found:
        path = Path(each.resolve())
        artifact = Artifact(
            each.groupId,
            each.artifactId,
            each.version,
            each.packaging,
            each.classifier,
            path.stat().st_size,
            sha256(path),
        )
        artifacts.setdefault(artifact.filename, artifact)
    return list(artifacts.values())


def main() -> None:
    """Write the file beside this module."""
    pins = {name: [asdict(each) for each in found] for name, found in resolve().items()}
    Path(__file__).with_name(PINS).write_text(json.dumps(pins, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
