import pytest

from connectors.modbus import ModbusConnector
from connectors.modbus.registers import Addressing, Place, Table, encoding, parse_place
from penstock.errors import ConfigurationError
from penstock.settings.tags import Tag


@pytest.mark.parametrize(
    ("text", "addressing", "place"),
    [
        ("1/00001", "modicon", Place(1, Table.COILS, 0)),
        ("1/000001", "modicon", Place(1, Table.COILS, 0)),
        ("1/19999", "modicon", Place(1, Table.DISCRETE_INPUTS, 9998)),
        ("2/30010", "modicon", Place(2, Table.INPUT_REGISTERS, 9)),
        ("247/40001", "modicon", Place(247, Table.HOLDING_REGISTERS, 0)),
        ("1/410001", "modicon", Place(1, Table.HOLDING_REGISTERS, 10000)),
        ("1/465536.15", "modicon", Place(1, Table.HOLDING_REGISTERS, 65535, 15)),
        (" 1/hr:20.3 ", "zero-based", Place(1, Table.HOLDING_REGISTERS, 20, 3)),
        ("1/20", "zero-based", Place(1, Table.HOLDING_REGISTERS, 20)),
        ("0/ir:0", "zero-based", Place(0, Table.INPUT_REGISTERS, 0)),
        ("1/co:5", "zero-based", Place(1, Table.COILS, 5)),
        ("1/di:65535", "zero-based", Place(1, Table.DISCRETE_INPUTS, 65535)),
    ],
)
def test_addresses(text: str, addressing: Addressing, place: Place) -> None:
    assert parse_place(text, addressing) == place


@pytest.mark.parametrize(
    ("text", "addressing", "remedy"),
    [
        ("40001", "modicon", "unit/address"),
        ("256/40001", "modicon", "unit of 0 to 255"),
        ("x/40001", "modicon", "unit/address"),
        ("1/40000", "modicon", "five or six digits"),
        ("1/465537", "modicon", "five or six digits"),
        ("1/20001", "modicon", "five or six digits"),
        ("1/4001", "modicon", "five or six digits"),
        ("1/hr:1", "modicon", "five or six digits"),
        ("1/٤0001", "modicon", "five or six digits"),
        ("1/65536", "zero-based", "0 to 65535"),
        ("1/xx:1", "zero-based", "`co:` or `di:`"),
        ("1/40001.16", "modicon", ".0 to .15"),
        ("1/40001.", "modicon", ".0 to .15"),
        ("1/00001.1", "modicon", "coils and inputs have none"),
    ],
)
def test_what_is_no_address_says_how_to_write_one(
    text: str, addressing: Addressing, remedy: str
) -> None:
    with pytest.raises(ValueError, match=remedy):
        parse_place(text, addressing)


@pytest.mark.parametrize("type_", ["", "int8", "float", "string", "string:0", "string:-1"])
def test_what_is_no_type_names_the_types(type_: str) -> None:
    with pytest.raises(ValueError, match="int16, uint16"):
        encoding(type_)


def settings(**more: object) -> object:
    return ModbusConnector.Settings.model_validate(
        {"type": "modbus", "host": "plc", "tags": "tags.csv", **more}
    )


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ({"address": "1/40001"}, "is no type"),
        ({"address": "1/4001", "type": "int16"}, "five or six digits"),
        ({"address": "1/40001", "type": "float32", "order": "ABDC"}, "'ABDC' is no order"),
        ({"address": "1/40001", "type": "string:4", "order": "CDAB"}, "a string has order ABCD"),
        ({"address": "1/40001", "type": "bit"}, "have type bit"),
        ({"address": "1/00001", "type": "int16"}, "have type bit"),
        ({"address": "1/00001", "scale": 2.0}, "no scale and no offset"),
        ({"address": "1/40001", "type": "string:250"}, "takes 125 registers"),
    ],
)
def test_a_tag_that_cannot_be_read_names_its_line(tag: dict[str, object], message: str) -> None:
    row = Tag(asset="a", tag="t", where="utilities.csv, line 7", **tag)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError) as error:
        ModbusConnector("plc", settings(), [row])
    assert "utilities.csv, line 7" in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize("changes", [{"poll": "0 s"}, {"limits": {"timeout": "0 s"}}])
def test_polls_and_answers_take_time(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="write a duration above zero"):
        settings(**changes)


@pytest.mark.parametrize(
    ("clock", "message"),
    [
        ({"address": "00001"}, "registers"),
        ({"address": "1/40001"}, "five or six digits"),
        ({"address": "40001", "resolution": "0 s"}, "resolution"),
        ({"address": "40001", "type": "float32"}, "uint64"),
    ],
)
def test_a_clock_that_cannot_be_read_is_refused(clock: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings(clock=clock)
