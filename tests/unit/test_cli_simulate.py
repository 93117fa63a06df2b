"""`penstock simulate` refuses a place where no factory can be."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli import app
from penstock.cli.simulate import build
from penstock.factory import ERP, Factory, FactoryError, read_factory, write_factory


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


def _error(*words: str) -> FactoryError:
    error = CliRunner().invoke(app, ["simulate", *words]).exception
    assert isinstance(error, FactoryError)
    return error


def test_a_folder_of_something_else_is_no_place_for_a_factory(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("")
    assert "but no factory" in str(_error(str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["hosts"]


def test_nothing_is_built_or_started_where_a_port_is_taken(tmp_path: Path) -> None:
    place = tmp_path / "factory"
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert f"port {port} is taken by" in str(_error(str(place), "--mqtt-port", port))
        assert not place.exists()
        write_factory(place, mqtt_port=int(port))
        assert f"port {port} is taken by" in str(_error(str(place)))


@pytest.mark.parametrize(
    ("part", "option"),
    [
        ("press_plc", "--opcua-port"),
        ("utilities", "--modbus-port"),
        ("mqtt_broker", "--mqtt-port"),
    ],
)
def test_a_part_alone_is_refused_where_its_own_port_is_taken(
    tmp_path: Path, part: str, option: str
) -> None:
    place = tmp_path / "factory"
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        words = [str(place), "--only", part, option, port]
        assert f"port {port} is taken by" in str(_error(*words))
        assert not place.exists()
        place.mkdir()
        assert f"port {port} is taken by" in str(_error(*words))
        assert not list(place.iterdir())


def test_of_parts_started_together_one_builds_and_the_others_wait(tmp_path: Path) -> None:
    place = tmp_path / "factory"
    wanted = [Factory(place, seed, 60.0, 0, 4840, 5020) for seed in range(4)]
    with ThreadPoolExecutor(len(wanted)) as pool:
        built = list(pool.map(build, wanted, [ERP] * len(wanted)))
    assert sorted(built) == [False, False, False, True]
    assert read_factory(place).seed == built.index(True)
