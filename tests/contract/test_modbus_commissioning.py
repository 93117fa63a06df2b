"""`read --guess`, `watch`, `load` and `validate --live` with a Modbus device that answers."""

import asyncio
import json
import math
import struct
from pathlib import Path

import pytest
from harness import ASSET, until
from modbus_device import Device, Request, answer, refusal, well
from typer.testing import CliRunner, Result

from connectors.modbus.guessing import guesses
from penstock.cli import app
from penstock.commissioning.load import measure
from penstock.commissioning.watching import Watched, watch_source
from penstock.connector import Sample
from penstock.errors import ConfigurationError
from penstock.quality import BAD_TYPE_MISMATCH
from penstock.settings.tag_lists import read_tags
from penstock.settings.tags import Tag

CURRENT = struct.unpack(">2H", struct.pack(">f", 23.5))
"""At 20, low word first: 23.5 is CDAB."""


async def pump(device: Device, request: Request) -> bytes:
    """Holding registers 0 to 29: 23.5 at 20, a text at 10, else 0."""
    table = [0] * 30
    table[20], table[21] = CURRENT[1], CURRENT[0]
    table[10:14] = struct.unpack(">4H", b"LOT-0017")
    end = request.start + request.count
    return refusal(request, 2) if end > len(table) else answer(request, table[request.start : end])


def plant(folder: Path, port: int, rows: str) -> str:
    (folder / "tags.csv").write_text(f"asset,tag,address,type,order\n{rows}")
    path = folder / "plant.yaml"
    path.write_text(
        "site: {path: acme/bremen}\nassets: {line1/pump03: {}}\n"
        "windows: {sizes: {1 min: {reopen_for: 1 h}}}\n"
        f"sources: {{pump: {{type: modbus, host: 127.0.0.1, port: {port}, tags: tags.csv}}}}\n"
    )
    return str(path)


async def typed(*words: str) -> Result:
    """A command, in a thread, beside the device on this loop."""
    return await asyncio.to_thread(CliRunner().invoke, app, list(words), env={"COLUMNS": "200"})


async def test_every_way_to_read_an_address_and_the_pick_becomes_a_row(tmp_path: Path) -> None:
    async with Device(pump) as device:
        config = plant(tmp_path, device.port, "line1/pump03,other,1/40001,uint16,\n")
        words = ("connectors", "read", "pump", "1/40021", "--config", config)
        whole = await typed(*words, "--guess")
        picked = await typed(*words, "--pick", "1", "--asset", "line1/pump03", "--tag", "current")
    assert whole.exit_code == picked.exit_code == 0, (whole.output, picked.output)
    first = next(line for line in whole.output.splitlines() if line.startswith("1"))
    assert first.split()[1:5] == ["1/40021", "float32", "CDAB", "23.5"]
    assert "a measured value with few digits" in first
    assert "is tiny (below 1e-06)" in whole.output
    assert "if your manual counts from 0" in whole.output
    assert read_tags(tmp_path / "tags.csv")[1].address == "1/40021"
    assert read_tags(tmp_path / "tags.csv")[1].order == "CDAB"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--pick", "1", "--asset", "line1/pump3", "--tag", "current"], "'line1/pump3' is not in"),
        (["--pick", "1", "--asset", "line1/pump03"], "it needs --asset and --tag"),
        (["--pick", "99", "--asset", "line1/pump03", "--tag", "x"], "there is no line 99"),
    ],
)
async def test_a_pick_that_cannot_be_a_row_writes_nothing(
    tmp_path: Path, words: list[str], named: str
) -> None:
    async with Device(pump) as device:
        config = plant(tmp_path, device.port, "line1/pump03,other,1/40001,uint16,\n")
        before = (tmp_path / "tags.csv").read_text()
        done = await typed("connectors", "read", "pump", "1/40021", "--config", config, *words)
    assert named in f"{done.output} {done.exception}"
    assert "float32" not in done.output
    assert (tmp_path / "tags.csv").read_text() == before


async def test_an_address_in_one_way_and_near_the_end_of_what_there_is(tmp_path: Path) -> None:
    async with Device(pump) as device:
        connector = device.connector()
        (one,) = await connector.read_address("1/hr:20", type_="float32", order="CDAB")
        assert (one.value, one.plausible) == (23.5, True)
        (one,) = await connector.read_address("1/hr:20", type_="float32", order="ABCD")
        assert (one.plausible, one.reason) == (False, "is tiny (below 1e-06)")
        assert {one.address for one in await connector.read_address("1/hr:29")} == {
            "1/hr:28",
            "1/hr:29",
        }
        assert (await connector.read_address("1/hr:10"))[0].value == "LOT-0017"


async def test_coils_and_inputs_need_no_type() -> None:
    async with Device(well) as device:
        for address in ("1/co:0", "1/di:1"):
            (first, *_) = await device.connector().read_address(address)
            assert (first.address, first.type) == (address, "bit")


async def not_text(device: Device, request: Request) -> bytes:
    return answer(request, [0xC328] * request.count)


async def test_registers_without_the_text_that_is_wanted_are_said(tmp_path: Path) -> None:
    async with Device(not_text) as device:
        config = plant(tmp_path, device.port, "line1/pump03,lot,1/40025,string:8,\n")
        words = ("pump", "--config", config)
        read = await typed(
            "connectors", "read", *words[:1], "1/40025", "--type", "string:8", *words[1:]
        )
        probed = await typed("connectors", "probe", *words)
    assert read.exit_code == 0
    assert "is no text in UTF-8" in read.output
    assert probed.exit_code == 3
    assert "0 of 1 can be read" in probed.output
    assert "tag 'lot' at '1/40025' cannot be read: no text in UTF-8: b'\\xc3(" in probed.output


@pytest.mark.parametrize(
    ("type_", "order", "value"),
    [(f"float{bits}", order, value) for bits in (32, 64) for order in ("ABCD", "CDAB")
     for value in (23.5, -4.25, 1480.0, 0.75)],
)  # fmt: skip
def test_the_right_way_comes_first(type_: str, order: str, value: float) -> None:
    data = struct.pack(">f" if type_ == "float32" else ">d", value)
    words = list(struct.unpack(f">{len(data) // 2}H", data))
    best = guesses(words if order == "ABCD" else words[::-1])[0]
    assert (best.type, best.order, best.value) == (type_, order, value)


async def test_validate_live_says_a_wrong_word_order_and_goes_on(tmp_path: Path) -> None:
    async with Device(pump) as device:
        rows = "line1/pump03,current,1/40021,float32,ABCD\nline1/pump03,none,1/40500,uint16,\n"
        config = plant(tmp_path, device.port, rows)
        result = await typed("validate", config, "--live")
        as_json = await typed("validate", config, "--live", "--json")
    assert result.exit_code == as_json.exit_code == 3
    assert "write order CDAB: it then reads 23.5" in result.output
    assert "tag 'none' at '1/40500' cannot be read: the device refuses it" in result.output
    assert len(json.loads(as_json.output)["live"][0]["problems"]) == 2
    dead = await typed("validate", config, "--live")
    assert dead.exit_code == 3
    assert "nothing listens on this port" in dead.output


async def test_what_a_source_costs_its_device() -> None:
    async with Device(well) as device:
        connector = device.connector(("1/0", "uint16"), poll="50 ms")
        load = await measure(connector, 1.0)
        writes = [request for request in device.requests if request.function not in (1, 2, 3, 4)]
    assert load.sockets == 1
    assert 0 < load.requests <= 25
    assert load.bytes_sent == pytest.approx(12 * load.requests)
    assert load.bytes_received == pytest.approx(11 * load.requests, rel=0.2)
    assert (load.writes, writes) == (0, [])


async def test_values_are_watched_without_kafka() -> None:
    async with Device(well) as device:
        connector = device.connector(("1/7", "uint16"), ("1/90", "uint16"))
        watched, lines = Watched(connector.tags, "1/7"), []

        def take(samples: object) -> None:
            lines.extend(watched.line(sample) for sample in watched.take(samples))  # type: ignore[arg-type]

        task = asyncio.create_task(watch_source(connector, take, None))
        await until(lambda: len(lines) >= 3, "three samples")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert lines[0].endswith(f"{ASSET}/1/7  7")
    assert watched.table().row_count == 1


def test_what_is_watched_must_be_there() -> None:
    tags = [Tag(asset="press", tag="Current", address="1/0")]
    sample = Sample("press", "Current", math.nan, 0, quality=BAD_TYPE_MISMATCH)
    (line,) = map(Watched(tags, "curr*").line, Watched(tags, "curr*").take([sample]))
    assert line.endswith("BadTypeMismatch")
    with pytest.raises(ConfigurationError, match=r"no tag is like 'nope\*' \(its tags: Current"):
        Watched(tags, "nope*")
