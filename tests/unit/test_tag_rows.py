"""Tag lists that are written: imports of other dialects, rows added, encodings mixed."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli import app
from penstock.commissioning.rows import append_row
from penstock.errors import ConfigurationError
from penstock.settings.tag_lists import read_tags

ROW = {"asset": "line1/pump", "tag": "flow", "address": "1/40001"}
GERMAN = "Asset;Tag;Address;Scale;Description\r\nline1/pump;Druck;1/40003;0,01;für Öl\r\n"


def test_an_import_speaks_plain_csv(tmp_path: Path) -> None:
    source = tmp_path / "tags.csv"
    source.write_bytes(GERMAN.encode("cp1252"))
    shown = CliRunner().invoke(app, ["connectors", "import", str(source)])
    assert shown.exit_code == 0, shown.exception
    assert "asset,tag,address,scale,description\nline1/pump,Druck,1/40003,0.01,für Öl\n" in (
        shown.output
    )


def test_excels_unicode_text_is_a_tag_list(tmp_path: Path) -> None:
    source = tmp_path / "tags.txt"
    source.write_bytes(GERMAN.replace(";", "\t").encode("utf-16"))
    (tag,) = read_tags(source)
    assert (tag.tag, tag.scale, tag.description) == ("Druck", 0.01, "für Öl")


def test_an_import_refuses_what_validate_refuses(tmp_path: Path) -> None:
    source = tmp_path / "tags.csv"
    source.write_text(f"{GERMAN}line1/pump;Druck;1/40005;1;\r\n")
    refused = CliRunner().invoke(app, ["connectors", "import", str(source)])
    assert "line1/pump has a tag 'Druck' already, at" in str(refused.exception)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_a_row_is_added_in_the_lists_own_dialect(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "tags.csv"
    path.write_bytes(GERMAN.rstrip().encode(encoding))
    append_row(path, ROW | {"description": "größer; schneller"})
    assert [(tag.tag, tag.description) for tag in read_tags(path)] == [
        ("Druck", "für Öl"),
        ("flow", "größer; schneller"),
    ]
    with pytest.raises(
        ConfigurationError, match=r"tags.csv:3: line1/pump has a tag 'flow' already"
    ):
        append_row(path, ROW)
    with pytest.raises(ConfigurationError, match=r"no column order \(add it to the list's first"):
        append_row(path, ROW | {"tag": "x", "order": "CDAB"})


def test_the_first_row_makes_the_list(tmp_path: Path) -> None:
    path = tmp_path / "tags" / "pump.csv"
    append_row(path, ROW)
    append_row(path, ROW | {"tag": "level"})
    assert [tag.tag for tag in read_tags(path)] == ["flow", "level"]


def test_two_encodings_in_one_list_are_named_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "tags.csv"
    head = b"asset,tag,address,description\n"
    rows = [b"a,t1,1/40001,plain\n", "a,t2,1/40002,für Öl\n".encode(),
            "a,t3,1/40003,für Öl\n".encode("cp1252")]  # fmt: skip
    path.write_bytes(head + b"".join(rows))
    with pytest.raises(ConfigurationError) as error:
        read_tags(path)
    assert (
        f"{path}:4: this line is no UTF-8, but line 3 is: two encodings in one file "
        "(open it as the encoding of most lines, correct the others, save as 'CSV UTF-8')"
    ) in str(error.value)
    path.write_bytes(head + rows[0] + rows[2])
    assert read_tags(path)[1].description == "für Öl", "cp1252 alone is welcome"
    path.write_bytes(b"\xef\xbb\xbf" + head + rows[2])
    with pytest.raises(ConfigurationError, match=r":2: this line is no UTF-8, but line 1 is"):
        read_tags(path)
