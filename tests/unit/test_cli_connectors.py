"""`penstock connectors list | sample | probe` and `penstock certs`, as typed."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from penstock import components
from penstock.certificates import make_certificate
from penstock.cli import app
from penstock.commissioning.offers import Node
from penstock.commissioning.tree import tree
from penstock.errors import ConfigurationError, DeviceError
from penstock.settings.loader import load_plant, load_source


def run(*words: str, **options: str) -> Result:
    return CliRunner().invoke(app, list(words), **options)


def test_list_names_what_each_offers() -> None:
    rows = {row["name"]: row for row in json.loads(run("connectors", "list", "--json").output)}
    assert set(rows) == set(components.names("connectors"))
    assert "read" in rows["modbus"]["offers"]
    assert rows["opcua"]["summary"].startswith("OPC UA")


@pytest.mark.parametrize("name", components.names("connectors"))
def test_a_sample_is_valid_once_its_certificates_are_made(name: str, tmp_path: Path) -> None:
    """One spec, the settings' model, gives validation, documentation and this sample.

    A connector whose sample is not valid lacks `examples` of a required field, or `EXAMPLE_TAGS`.
    """
    assert run("connectors", "sample", name, "--folder", str(tmp_path)).exit_code == 0
    assert run("certs", "create", "--folder", str(tmp_path / "certs")).exit_code == 0
    plant = load_plant(tmp_path / "plant.yaml")
    assert [settings.type for settings in plant.sources.values()] == [name]


@pytest.mark.parametrize("name", components.names("connectors"))
def test_a_sample_shows_every_setting_with_its_description(name: str) -> None:
    text = run("connectors", "sample", name).output
    for field, info in components.load("connectors", name).Settings.model_fields.items():
        assert f"{field}:" in text
        assert field == "type" or str(info.description) in text


def test_a_certificate_is_for_a_uri(tmp_path: Path) -> None:
    made = run("certs", "create", "--folder", str(tmp_path), "--uri", "not a uri")
    assert "'not a uri' is no URI" in str(made.exception)
    assert not list(tmp_path.iterdir())


def test_a_list_that_is_to_be_written_may_be_empty(tmp_path: Path) -> None:
    run("connectors", "sample", "modbus", "--folder", str(tmp_path))
    (tmp_path / "tags" / "tags.csv").write_text("")
    assert load_source(tmp_path / "plant.yaml", "modbus1").tags == ()


def test_the_tree_shows_siblings_of_one_name() -> None:
    twins = [Node(("press", "T"), f"i={number}", "Double") for number in (1, 2)]
    assert list(tree(twins)) == ["press", "├── T  Double  i=1", "└── T  Double  i=2"]


def test_defaults_in_a_sample_may_be_taken_out_of_their_comments(tmp_path: Path) -> None:
    run("connectors", "sample", "modbus", "--folder", str(tmp_path))
    path = tmp_path / "plant.yaml"
    lines = path.read_text("utf-8").splitlines()
    taken = (re.sub("^    #   ", "      ", line) for line in lines)
    path.write_text("\n".join(re.sub("^    # ", "    ", line) for line in taken), "utf-8")
    (settings,) = load_plant(path).sources.values()
    assert settings.clock.address == "40001"
    assert settings.limits.registers_per_read == 100


def test_a_sample_replaces_nothing_unasked(tmp_path: Path) -> None:
    words = ("connectors", "sample", "modbus", "--folder", str(tmp_path))
    assert run(*words).exit_code == 0
    refused = run(*words)
    assert isinstance(refused.exception, ConfigurationError)
    assert "plant.yaml" in str(refused.exception)
    assert run(*words, "--force").exit_code == 0


def test_probe_needs_neither_a_tag_list_nor_the_rest_of_the_plant(tmp_path: Path) -> None:
    (tmp_path / "plant.yaml").write_text(
        "sources: {pump: {type: modbus, host: 127.0.0.1, port: 1, tags: none.csv}, other: 5}\n"
    )
    config = ("--config", str(tmp_path / "plant.yaml"))
    refused = run("connectors", "probe", "pump", *config)
    assert isinstance(refused.exception, DeviceError)
    assert "nothing listens on this port" in str(refused.exception)
    unknown = run("connectors", "probe", "pmup", *config)
    assert "did you mean 'pump'?" in str(unknown.exception)


def test_certs_are_made_shown_and_kept(tmp_path: Path) -> None:
    folder = ("--folder", str(tmp_path))
    made = run("certs", "create", *folder, "--uri", "urn:acme:penstock", "--host", "10.0.0.5")
    assert "urn:acme:penstock" in made.output
    shown = run("certs", "show", str(tmp_path)).output
    assert "urn:acme:penstock" in shown
    assert "problem" not in shown
    assert "PRIVATE" not in shown
    assert "servers may trust it" in str(run("certs", "create", *folder).exception)
    before = (tmp_path / "client.der").read_bytes()
    renewed = run("certs", "create", *folder, "--force")
    assert (tmp_path / "client.der").read_bytes() != before
    assert "urn:acme:penstock" in renewed.output


def test_certs_show_names_what_is_wrong(tmp_path: Path) -> None:
    expired, key = tmp_path / "press.der", tmp_path / "press.pem"
    make_certificate(expired, key, "urn:acme:press", common_name="press", days=0)
    run("certs", "create", "--folder", str(tmp_path / "soon"), "--days", "10")
    shown = run("certs", "show", str(tmp_path)).output
    assert "has expired: make a new one" in shown
    assert "expires in 9 days" in shown
    assert "is a private key" in str(run("certs", "show", str(key)).exception)
    (tmp_path / "text.der").write_text("no certificate")
    wrong = run("certs", "show", str(tmp_path / "text.der"))
    assert "cannot be read as a certificate" in str(wrong.exception)


def test_certs_trust_moves_a_rejected_one_once_confirmed(tmp_path: Path) -> None:
    made = tmp_path / "made.der"
    make_certificate(made, tmp_path / "made.pem", "urn:acme:press", common_name="press")
    rejected = tmp_path / "rejected"
    rejected.mkdir()
    thumbprint = next(
        line.split()[1]
        for line in run("certs", "show", str(made)).output.splitlines()
        if "thumbprint" in line
    )
    shutil.copy(made, rejected / f"{thumbprint}.der")
    words = ("certs", "trust", thumbprint[:8].upper(), "--folder", str(tmp_path))
    assert run(*words, input="n\n").exit_code == 1
    assert list(rejected.iterdir())
    assert run(*words, input="y\n").exit_code == 0
    assert [path.name for path in (tmp_path / "trusted").iterdir()] == [f"{thumbprint}.der"]
    assert not list(rejected.iterdir())
    assert "no certificate is named" in str(run(*words, "--yes").exception)
