"""Kafka Streams without a JDK: jars from Maven, compiled by the Eclipse compiler on the JRE."""

import hashlib
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

import jgo

from penstock.local import java
from penstock.local.artifacts import cache_folder

KAFKA: Final = "4.2.0"
ECJ: Final = "3.44.0"
SOURCES: Final = sorted(Path(__file__).with_name("java").glob("*.java"))


@cache
def class_path() -> str:
    """Of Kafka Streams and the compiled program."""
    jars = _resolve(f"org.apache.kafka:kafka-streams:{KAFKA}")
    jars += _resolve("org.slf4j:slf4j-simple:1.7.36")
    return os.pathsep.join([str(_compiled(jars)), *dict.fromkeys(jars)])


def _resolve(coordinate: str) -> list[str]:
    return [str(artifact.resolve()) for artifact in jgo.resolve(coordinate)]


def _compiled(jars: list[str]) -> Path:
    """The folder of the class files; compiled anew when the source has changed."""
    text = b"".join(source.read_bytes() for source in SOURCES) + KAFKA.encode()
    digest = hashlib.sha256(text).hexdigest()[:16]
    folder = cache_folder() / "bench" / digest
    if not (folder / "WindowedMoments.class").exists():
        folder.mkdir(parents=True, exist_ok=True)
        compiler = _resolve(f"org.eclipse.jdt:ecj:{ECJ}")
        command = [java.java(), "-cp", os.pathsep.join(compiler)]
        command += ["org.eclipse.jdt.internal.compiler.batch.Main", "-nowarn"]
        command += ["-source", "17", "-target", "17", "-cp", os.pathsep.join(jars)]
        subprocess.run([*command, "-d", str(folder), *map(str, SOURCES)], check=True)
    return folder
