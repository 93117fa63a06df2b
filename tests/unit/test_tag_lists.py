from datetime import timedelta
from pathlib import Path

import pytest

from penstock.settings.problems import InvalidConfigurationError
from penstock.settings.tag_lists import read_tags
from penstock.settings.tags import Role, Tag

HEADER = (
    "asset,tag,address,type,order,scale,offset,unit,low,high,max,poll,deadband,role,description"
)
ROW = "line1/pump,current,1/40021,float32,CDAB,1,0,A,0,40,,500 ms,0.1,signal,feed pump"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(content: str | bytes) -> tuple[Tag, ...]:
    path = Path("tags.csv")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_tags(path)


def problems(content: str | bytes) -> list[str]:
    with pytest.raises(InvalidConfigurationError) as caught:
        read(content)
    return [str(problem) for problem in caught.value.problems]


def test_reads_every_column() -> None:
    (tag,) = read(f"{HEADER}\n{ROW}\n")
    assert tag == Tag(
        asset="line1/pump",
        tag="current",
        address="1/40021",
        type="float32",
        order="CDAB",
        unit="A",
        low=0,
        high=40,
        poll=timedelta(milliseconds=500),
        deadband=0.1,
        role=Role.SIGNAL,
        description="feed pump",
        where="tags.csv:2",
    )


def test_empty_cells_take_the_defaults() -> None:
    (tag,) = read("asset,tag,address,scale,role,max,poll\na,b,c,,,,\n")
    assert (tag.scale, tag.offset, tag.role) == (1.0, 0.0, Role.SIGNAL)
    assert (tag.max, tag.poll, tag.unit) == (None, None, None)


@pytest.mark.parametrize(
    "content",
    [
        b"asset;tag;address;low\nline1;t;17;0,5\n",
        b"asset,tag,address,low\nline1,t,17,0.5\n",
        b'asset,tag,address,low\nline1,t,17,"0,5"\n',
        b"\xef\xbb\xbfasset;tag;address;low\r\nline1;t;17;0,5\r\n",
        b"Asset; TAG ;Address ; Low\nline1; t ;17; 0,5\n",
        b"asset;tag;address;low\rline1;t;17;0,5\r",
        b"sep=;\r\nasset;tag;address;low\r\nline1;t;17;0,5\r\n",
        b"asset;tag;address;low;;\nline1;t;17;0,5;;\n;;;;;\n\n",
        b'"asset";"tag";"address";"low"\n"line1";"t";"17";"0,5"',
        b"low;address;tag;asset\n5e-1;17;t;line1\n",
    ],
)
def test_reads_what_engineering_tools_write(content: bytes) -> None:
    (tag,) = read(content)
    assert (tag.asset, tag.tag, tag.address, tag.low) == ("line1", "t", "17", 0.5)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_reads_what_excel_encodes(encoding: str) -> None:
    text = "asset;tag;address;unit;description\nline1;t;17;°C;Kühlwasser µ\n"
    (tag,) = read(text.encode(encoding))
    assert (tag.unit, tag.description) == ("°C", "Kühlwasser µ")


def test_names_the_line_on_which_a_row_begins() -> None:
    rows = 'line1,a,1,"two\nlines"\n\n,,,\nline1,b,2,\n'
    tags = read(f"asset,tag,address,description\n{rows}")
    assert [tag.where for tag in tags] == ["tags.csv:2", "tags.csv:6"]


SLIPS = {
    "unknown column": (
        "asset,tag,adress,address\na,b,c,d\n",
        ["tags.csv:1: unknown column 'adress' (did you mean 'address'?)"],
    ),
    "missing columns": (
        "asset,name\na,b\n",
        [
            "tags.csv:1: unknown column 'name' (known here: address, asset, deadband, "
            "description, high, low, max, offset, order, poll, role, scale and 3 more)",
            "tags.csv:1: there is no column tag, address (the first line names the columns, "
            "with ';' or ',' between them)",
        ],
    ),
    "column twice": (
        "asset,tag,address,tag\na,b,c,d\n",
        ["tags.csv:1: column 'tag' is there twice (remove one)"],
    ),
    "unnamed column": (
        "asset,tag,address,\na,b,c,d\n",
        ["tags.csv:2: 'd' has no column name above it (name the column)"],
    ),
    "unquoted decimal comma": (
        "asset,tag,address,low\na,b,c,0,5\n",
        [
            "tags.csv:2: 5 cells under 4 columns "
            "(put a cell that holds ',' into quotes, as a number with a decimal comma)"
        ],
    ),
    "unquoted decimal comma before an empty cell": (
        "asset,tag,address,scale,low,unit\na,b,c,0,01,bar,\n",
        [
            "tags.csv:2: column scale: 0 makes every value the same (leave the cell empty for 1)",
            "tags.csv:2: 7 cells under 6 columns "
            "(put a cell that holds ',' into quotes, as a number with a decimal comma)",
        ],
    ),
    "number that is none": (
        "asset,tag,address,low,high\na,b,c,x,1\na,c,d,0,40 A\n",
        [
            "tags.csv:2: column low: 'x' is no number",
            "tags.csv:3: column high: '40 A' is no number",
        ],
    ),
    "number that is not finite": (
        "asset,tag,address,high\na,b,c,inf\n",
        ["tags.csv:2: column high: 'inf' is no finite number"],
    ),
    "thousands or decimals": (
        'asset,tag,address,high\na,b,c,"1,000"\n',
        ["tags.csv:2: column high: '1,000' may mean two numbers (write 1000 or 1.000)"],
    ),
    "thousands or decimals between semicolons": (
        "asset;tag;address;low;high\na;b;c;-1,000;999\n",
        ["tags.csv:2: column low: '-1,000' may mean two numbers (write -1000 or -1.000)"],
    ),
    "thousands": (
        "asset;tag;address;max\na;b;c;4.294.967.295\n",
        ["tags.csv:2: column max: '4.294.967.295' is no number"],
    ),
    "decimal comma and point": (
        "asset;tag;address;low;high\na;b;c;0,5;40\na;c;d;0;1.000\n",
        [
            "tags.csv:3: column high: '1.000' has a decimal point, line 2 a decimal comma "
            "in column 'low' (use one of them in the whole file)"
        ],
    ),
    "period without a unit": (
        "asset,tag,address,poll\na,b,c,500\n",
        [
            "tags.csv:2: column poll: '500' is no duration (write number and unit "
            "(us ms s min h d), as in '500 ms')"
        ],
    ),
    "decimal comma in a duration": (
        'asset,tag,address,poll\na,b,c,"0,5 s"\n',
        ["tags.csv:2: column poll: '0,5 s' is no duration (the decimal sign is a point)"],
    ),
    "unknown role": (
        "asset,tag,address,role\na,b,c,scrapp\n",
        ["tags.csv:2: column role: 'scrapp' is not known (did you mean 'scrap'?)"],
    ),
    "missing cell": (
        "asset,tag,address\na,b,\n",
        ["tags.csv:2: column address: is missing (Where the source finds it, as its protocol "
         "writes it)"],
    ),
    "limits the wrong way round": (
        "asset,tag,address,low,high\na,b,c,40,0\n",
        ["tags.csv:2: low 40 is not below high 0 (correct one of them)"],
    ),
    "scale of nothing": (
        "asset,tag,address,scale\na,b,c,0\n",
        ["tags.csv:2: column scale: 0 makes every value the same (leave the cell empty for 1)"],
    ),
    "open quote": (
        'asset,tag,address\na,b,"c\n',
        [
            "tags.csv:2: quoting is broken in or after this line: unexpected end of data "
            '(write a quote inside quotes twice (""))'
        ],
    ),
    "no tags": (
        "asset,tag,address\n",
        ["tags.csv:2: the list has no tags (add a line for each tag)"],
    ),
    "nothing": (
        "",
        [
            "tags.csv:1: there is no column asset, tag, address (the first line names the "
            "columns, with ';' or ',' between them)"
        ],
    ),
    "workbook": (
        b"PK\x03\x04\x14\x00",
        ["tags.csv: is an Excel workbook (save it as 'CSV UTF-8')"],
    ),
    "UTF-16": (
        "asset,tag,address\n".encode("utf-16-le"),
        ["tags.csv: is no text in UTF-8 or cp1252 (save it as 'CSV UTF-8')"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), SLIPS.values(), ids=list(SLIPS))
def test_names_line_column_and_remedy(content: str | bytes, expected: list[str]) -> None:
    assert problems(content) == expected


def test_names_a_missing_list() -> None:
    with pytest.raises(InvalidConfigurationError) as caught:
        read_tags(Path("other.csv"))
    assert "other.csv: there is no such tag list" in str(caught.value)
