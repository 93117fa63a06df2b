"""`penstock simulate` refuses a place where no factory can be."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli import app
from penstock.factory import FactoryError


def test_a_file_is_no_place_for_a_factory(tmp_path: Path) -> None:
    place = tmp_path / "factory"
    place.write_text("")
    result = CliRunner().invoke(app, ["simulate", str(place)])
    with pytest.raises(FactoryError, match="name a folder") as caught:
        raise result.exception or AssertionError(result.output)
    assert caught.value.where == str(place)


def test_a_part_that_is_none_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["simulate", str(tmp_path / "new"), "--only", "foo"])
    assert done.exit_code == 2
    assert "mqtt_broker" in done.output
    assert not (tmp_path / "new").exists()
