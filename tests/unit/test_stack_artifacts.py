"""Pinned files: verified, remembered as verified, and named where they are wrong or missing."""

import hashlib
from pathlib import Path

import pytest

from penstock.errors import StackError
from penstock.local import artifacts
from penstock.local.artifacts import Artifact, find, locate, pinned, verify

CONTENT = b"a jar"


def make(name: str, content: bytes = CONTENT) -> Artifact:
    digest = hashlib.sha256(content).hexdigest()
    return Artifact("org.example", name, "1.0", "jar", "", len(content), digest)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))


@pytest.fixture
def jars(tmp_path: Path) -> Path:
    folder = tmp_path / "jars"
    folder.mkdir()
    return folder


def test_everything_that_is_started_is_pinned() -> None:
    names = {artifact.name for artifact in pinned("kafka")}
    assert {"kafka_2.13", "kafka-clients", "slf4j-simple"} <= names
    assert [artifact.packaging for artifact in pinned("registry")] == ["tar.gz"]
    every = [*pinned("kafka"), *pinned("registry")]
    assert len({artifact.filename for artifact in every}) == len(every) == 47
    assert all(len(bytes.fromhex(artifact.sha256)) == 32 and artifact.size for artifact in every)


def test_finds_bare_files_and_maven_layout(jars: Path) -> None:
    bare, laid_out, absent = make("bare"), make("laid-out"), make("absent")
    (jars / bare.filename).write_bytes(CONTENT)
    (jars / laid_out.path).parent.mkdir(parents=True)
    (jars / laid_out.path).write_bytes(CONTENT)
    assert locate([laid_out, bare], jars) == [jars / laid_out.path, jars / bare.filename]
    assert find(absent, jars) is None


def test_names_all_that_is_missing_and_fetches_nothing(jars: Path) -> None:
    here, missing = make("here"), [make("one"), make("two")]
    (jars / here.filename).write_bytes(CONTENT)
    with pytest.raises(StackError) as caught:
        locate([here, *missing], jars)
    assert "2 of 3 files are missing" in caught.value.message
    assert all(artifact.filename in caught.value.message for artifact in missing)
    assert caught.value.where == str(jars)
    assert "penstock.local.fetch" in str(caught.value.remedy)


@pytest.mark.parametrize("found", [b"a jaR", b"a j", b""], ids=["changed", "cut", "empty"])
def test_refuses_another_file(jars: Path, found: bytes) -> None:
    artifact = make("wrong")
    path = jars / artifact.filename
    path.write_bytes(found)
    with pytest.raises(StackError) as caught:
        locate([artifact], jars)
    assert caught.value.where == str(path)
    assert artifact.sha256 in caught.value.message
    assert "delete the file" in str(caught.value.remedy)


def test_hashes_a_file_once_and_again_when_it_changes(
    jars: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []
    real = artifacts.sha256
    monkeypatch.setattr(artifacts, "sha256", lambda path: hashed.append(path) or real(path))
    artifact = make("jar")
    path = jars / artifact.filename
    path.write_bytes(CONTENT)
    for _ in range(3):
        verify([(artifact, path)])
    assert hashed == [path]
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(StackError):
        verify([(artifact, path)])
    assert len(hashed) == 2


def test_a_new_pin_is_checked_although_the_file_did_not_change(jars: Path) -> None:
    path = jars / make("jar").filename
    path.write_bytes(CONTENT)
    verify([(make("jar"), path)])
    with pytest.raises(StackError):
        verify([(make("jar", CONTENT[::-1]), path)])


def test_a_damaged_memory_only_costs_time(jars: Path) -> None:
    artifact = make("jar")
    path = jars / artifact.filename
    path.write_bytes(CONTENT)
    memory = artifacts.cache_folder() / "verified.json"
    memory.parent.mkdir(parents=True)
    for damage in ("", "[]", '{"' + str(path) + '": 3}'):
        memory.write_text(damage)
        verify([(artifact, path)])


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A downloaded file's stand-in: jgo finds it in a local Maven repository."""
    remote = tmp_path / "remote"
    real = artifacts.MavenContext
    monkeypatch.setattr(
        artifacts, "MavenContext", lambda *a, **k: real(*a, local_repos=[remote], offline=True, **k)
    )
    monkeypatch.setattr(artifacts, "ATTEMPTS", 1)
    return remote


def test_what_cannot_be_fetched_is_named(repository: Path) -> None:
    with pytest.raises(StackError) as caught:
        locate([make("nowhere")])
    assert caught.value.where == "nowhere-1.0.jar"
    assert "--jars" in str(caught.value.remedy)
    assert not list(artifacts.repository().rglob("*.jar"))
