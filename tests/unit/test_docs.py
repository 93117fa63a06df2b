"""The documentation agrees with the code, and its links and commands exist."""

import importlib
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.cli import everything
from penstock.settings.json_schema import schema_text
from penstock.settings.loader import load_plant
from penstock.settings.starter import write_starter

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(?P<language>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FILE = re.compile(r'title="([^"]+)"')


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_reference_is_up_to_date() -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        generate = importlib.import_module("generate")
        pages = generate.pages()
    finally:
        sys.path.pop(0)
    assert generate.helm.TOPICS_FILE.read_text("utf-8") == generate.helm.topics(), "run `make docs`"
    assert generate.helm.RIGHTS_FILE.read_text("utf-8") == generate.helm.rights(), "run `make docs`"
    pages["plant.schema.json"] = schema_text()
    folder = ROOT / "docs" / "reference"
    stale = [
        name
        for name, text in pages.items()
        if not (folder / name).exists() or (folder / name).read_text("utf-8") != text
    ]
    assert not stale, "run `make docs`"
    assert {path.name for path in folder.iterdir()} == set(pages) | {"index.md"}


def test_every_error_has_a_code_of_its_own_and_says_what_to_do() -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        found = importlib.import_module("generator.running").catalogue()
    finally:
        sys.path.pop(0)
    codes = [error.code for error in found]
    assert len(set(codes)) == len(codes) > 20
    for error in found:
        _, advice, *_ = [*(error.__doc__ or "").split("\n\n"), "", ""]
        assert advice.strip()
        assert not advice.strip().startswith("Args:"), error


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(prose(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors(target)
        ):
            broken.append(link)
    assert not broken


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        links = [link.partition("#")[0] for link in LINK.findall(prose(page)) if "://" not in link]
        waiting += [(page.parent / link).resolve() for link in links if link]
    assert [name_of(page) for page in PAGES if page not in seen] == []


def commands_in(page: Path) -> Iterator[list[str]]:
    """The words of each `penstock …` command in a page's shell blocks, and in code in its text."""
    text = page.read_text("utf-8")
    lines = [
        line
        for match in FENCE.finditer(text)
        if match["language"].split()[:1] in (["sh"], ["console"])
        for line in match["body"].replace("\\\n", " ").splitlines()
    ]
    lines += re.findall(r"`(penstock [^`]+)`", FENCE.sub("", text))
    for line in lines:
        found = re.search(r"(?:^|[\s/])penstock (?!-m)(.+)", line.removeprefix("$ "))
        if found and not line.startswith(("docker", "helm")):  # there it is an image or a chart
            words = shlex.split(found[1].replace("…", ""), comments=True)
            yield list(_until_operator(words))


def _until_operator(words: list[str]) -> Iterator[str]:
    for word in words:
        if word in ("&", "&&", "|", ";", ">"):
            return
        yield word


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page: Path) -> None:
    unknown = [problem for words in commands_in(page) if (problem := judged(words))]
    assert not unknown


_COMMANDS = everything()


def judged(words: list[str]) -> str | None:
    """What is wrong with a command, by the command line's own parameters."""
    command: Any = _COMMANDS
    rest = list(words)
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return f"there is no command {' '.join(words)}"
        command = command.commands[rest.pop(0)]
    options = {opt: p for p in command.params for opt in p.opts if opt.startswith("-")}
    arguments = [p for p in command.params if not p.opts[0].startswith("-")]
    given = 0
    while rest:
        word, _, _ = rest.pop(0).partition("=")
        if word == "--help":
            continue
        if not word.startswith("-"):
            given += 1
        elif word not in options:
            return f"there is no option {word} of {' '.join(words)}"
        elif not options[word].is_flag and rest:
            rest.pop(0)
    too_many = given > len(arguments) and all(p.nargs > 0 for p in arguments)
    return f"too many arguments: {' '.join(words)}" if too_many else None


def test_a_wrong_command_would_be_found() -> None:
    assert judged(["run", "plant.yaml", "--only", "sinks"]) is None
    assert judged(["fly"])
    assert judged(["run", "plant.yaml", "--fast"])
    assert judged(["run", "a.yaml", "b.yaml"])


def test_the_tutorial_writes_a_valid_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "myplant"
    write_starter(folder)
    for match in FENCE.finditer((ROOT / "docs" / "start.md").read_text("utf-8")):
        if title := FILE.search(match["language"]):
            (folder / title[1]).write_text(match["body"], encoding="utf-8")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "press").write_text("a password", encoding="utf-8")
    shutil.copy(folder / "certs" / "client.der", folder / "certs" / "trusted" / "press-plc.der")
    monkeypatch.chdir(folder)
    plant = load_plant(Path("plant.yaml"))
    assert {settings.type for settings in plant.sources.values()} == {"modbus", "opcua"}
    assert all(plant.tags[source] for source in plant.sources)


def test_the_map_names_every_folder_and_make_every_target() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for parent in ("penstock", "tests"):
        for folder in sorted((ROOT / parent).iterdir()):
            if any(folder.glob("*.py")):
                assert f" {folder.name}/ " in guide, folder
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == set(re.findall(r"^([a-z]+):.* ## ", makefile, re.MULTILINE))
