import json
import shutil
import stat
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from penstock.cli import app as everything
from penstock.cli.config import register
from penstock.errors import ConfigurationError
from penstock.settings.problems import InvalidConfigurationError


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    register(app)
    return app


@pytest.fixture(scope="module")
def made(app: typer.Typer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "plant"
    result = CliRunner().invoke(app, ["init", str(folder)])
    assert result.exit_code == 0, result.exception
    return folder


@pytest.fixture
def starter(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "plant")


def test_starter_is_valid_as_it_is(app: typer.Typer, starter: Path) -> None:
    result = CliRunner().invoke(app, ["validate", str(starter / "plant.yaml")])
    assert result.exit_code == 0, result.exception
    assert result.output == (
        f"{starter}/plant.yaml is valid\n"
        "  site     acme/bremen\n"
        "  sources  press_plc (opcua, 4 tags), utilities (modbus, 3 tags)\n"
        "  tags     7 of 2 assets\n"
        "  lines    stamping/line1\n"
        "  windows  10 s, 1 min, 1 h\n"
        "  sinks    lake (parquet)\n"
    )


def test_validate_answers_scripts(app: typer.Typer, starter: Path) -> None:
    config = starter / "plant.yaml"
    result = CliRunner().invoke(app, ["validate", "--json", str(config)])
    assert result.exit_code == 0
    answer = json.loads(result.output)
    assert answer["valid"] is True
    assert answer["sources"]["utilities"] == {"type": "modbus", "tags": 3}
    config.write_text(config.read_text().replace("framing:", "framign:"))
    result = CliRunner().invoke(app, ["validate", "--json", str(config)])
    assert result.exit_code == 2
    (problem,) = json.loads(result.output)["problems"]
    assert problem["message"] == "sources.utilities.framign: unknown key"
    assert problem["remedy"] == "did you mean 'framing'?"
    assert problem["where"].startswith(f"{config}:")
    config.write_text(config.read_text().replace("framign:", "framing:") + "kafka: {user: me}\n")
    result = CliRunner().invoke(app, ["validate", "--json", str(config)])
    (problem,) = json.loads(result.output)["problems"]
    assert problem["remedy"].startswith("set security to SASL_SSL")


@pytest.mark.parametrize(
    ("component", "code"),
    [
        ("connector/utilities", 0),
        ("processor/window-statistics", 0),
        ("sink/lake", 0),
        ("console", 0),
        ("tools", 0),
        ("connector/press_plc", 2),
    ],
)
def test_validate_reads_as_one_component_does(
    app: typer.Typer, starter: Path, component: str, code: int
) -> None:
    """The key of the source `press_plc` is not there: it alone needs it."""
    (starter / "certs" / "client.pem").unlink()
    words = ["validate", "--json", "--component", component, str(starter / "plant.yaml")]
    assert CliRunner().invoke(app, words).exit_code == code


@pytest.mark.parametrize(
    ("component", "message", "remedy"),
    [
        ("processor/window-statistic", "processors: there is no processor 'window-statistic'",
         "did you mean 'window-statistics'?"),
        ("connector/utility", "sources: there is no source 'utility'",
         "did you mean 'utilities'?"),
        ("sink/lak", "sinks: there is no sink 'lak'", "did you mean 'lake'?"),
    ],
)  # fmt: skip
def test_validate_refuses_a_component_that_there_is_not(
    app: typer.Typer, starter: Path, component: str, message: str, remedy: str
) -> None:
    words = ["validate", "--json", "--component", component, str(starter / "plant.yaml")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    (problem,) = json.loads(result.output)["problems"]
    assert (problem["message"], problem["remedy"]) == (message, remedy)


def test_validate_says_what_components_there_are(app: typer.Typer, starter: Path) -> None:
    words = ["validate", "--component", "tool/check", str(starter / "plant.yaml")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "is no component: write connector, processor, sink" in " ".join(
        result.output.replace("│", " ").split()
    )


def test_validate_raises_what_the_command_line_prints(app: typer.Typer, starter: Path) -> None:
    (starter / "tags" / "utilities.csv").unlink()
    result = CliRunner().invoke(app, ["validate", str(starter / "plant.yaml")])
    assert isinstance(result.exception, InvalidConfigurationError)
    assert result.exception.exit_code == 2


def test_init_overwrites_nothing(app: typer.Typer, starter: Path) -> None:
    (starter / "plant.yaml").write_text("mine")
    result = CliRunner().invoke(app, ["init", str(starter)])
    assert isinstance(result.exception, ConfigurationError)
    assert "plant.yaml, tags/press07.csv" in result.exception.message
    assert "--force" in (result.exception.remedy or "")
    assert (starter / "plant.yaml").read_text() == "mine"


def test_init_by_force_keeps_the_certificate(app: typer.Typer, starter: Path) -> None:
    (starter / "plant.yaml").write_text("mine")
    certificate = (starter / "certs" / "client.der").read_bytes()
    assert CliRunner().invoke(app, ["init", "--force", str(starter)]).exit_code == 0
    assert (starter / "plant.yaml").read_text().startswith("# yaml-language-server: $schema=")
    assert (starter / "certs" / "client.der").read_bytes() == certificate


def test_init_keeps_secrets_out_of_sight(starter: Path) -> None:
    assert stat.S_IMODE((starter / "certs" / "client.pem").stat().st_mode) == 0o600
    assert "certs/*.pem" in (starter / ".gitignore").read_text()


def test_init_names_a_folder_that_cannot_be_written(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["init", str(tmp_path / "file" / "folder")])
    assert isinstance(result.exception, ConfigurationError)
    assert str(tmp_path / "file") in str(result.exception)


@pytest.mark.parametrize(
    ("there", "words", "taken"),
    [
        ([], [], "plant.yaml"),
        ([".penstock/demo"], [], ".penstock/demo/plant.yaml"),
        ([".", ".penstock/demo"], [], "plant.yaml"),
        ([".penstock/demo"], ["--config", "plant.yaml"], "plant.yaml"),
    ],
)
def test_a_folders_own_plant_goes_before_the_demos(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    there: list[str],
    words: list[str],
    taken: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in there:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "plant.yaml").write_text("version: 99\n")
    with pytest.raises(ConfigurationError) as raised:
        CliRunner().invoke(everything, ["topics", "list", *words], catch_exceptions=False)
    assert str(raised.value).splitlines()[1].startswith(f"{taken}:")
