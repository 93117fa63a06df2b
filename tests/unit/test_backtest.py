"""`penstock backtest`, on files with and without faults of their own."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from penstock.backtest.measures import measure, pooled
from penstock.cli.backtest import register
from penstock.errors import PenstockError

SMALL = ["--train-rows", "100"]


@pytest.fixture
def command():
    app = typer.Typer()
    register(app)

    def run(*arguments):
        found = CliRunner().invoke(app, [str(one) for one in arguments])
        if isinstance(found.exception, PenstockError):
            raise found.exception
        assert found.exit_code == 0, found.output
        return found.stdout

    return run


def write(path, delimiter=";", rows=300, fault=range(200, 260), cells=None, labels=True):
    rng = np.random.default_rng(4)
    lines = [
        delimiter.join(["datetime", "flow", "power", "note", *(["anomaly"] if labels else [])])
    ]
    for row in range(rows):
        load = rng.standard_normal()
        flow, power = load + 2.5 * (row in fault), 3 * load + 0.1 * rng.standard_normal()
        line = [f"2026-01-01 {row // 3600:02}:{row // 60 % 60:02}:{row % 60:02}", flow, power, "ok"]
        line += [float(row in fault)] if labels else []
        lines.append(delimiter.join(map(str, line)))
    for place, line in (cells or {}).items():
        lines[place] = line
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("delimiter", ";,")
def test_a_row_out_per_row_in_with_figures_and_a_picture(tmp_path, command, delimiter):
    file, out, plot = (
        write(tmp_path / "a.csv", delimiter),
        tmp_path / "s.parquet",
        tmp_path / "p.svg",
    )
    report = json.loads(
        command(file, "--labels", "anomaly", *SMALL, "--out", out, "--plot", plot, "--json")
    )
    table = pq.read_table(out)
    assert table.num_rows == 300
    assert {"score", "p_value", "alarm", "contribution_flow", "contribution_power"} <= set(
        table.column_names
    )
    assert table["score"].null_count == 100 and not any(table["alarm"].to_pylist()[:100])
    figures = report["files"][str(file)]
    assert (
        figures["f1"] > 0.8 and figures["false_alarm_rate"] < 0.2 and figures["events_found"] == 1
    )
    assert figures["rows"] == 200 and report["pooled"]["f1"] == figures["f1"]
    assert 0 <= figures["delay_seconds"] < 30
    assert plot.read_text().lstrip().startswith("<?xml")


def test_parquet_without_labels_and_the_other_detector(tmp_path, command):
    rng = np.random.default_rng(1)
    times = np.arange(300) * 1_000_000
    file = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"time": pa.array(times, pa.timestamp("us")), "x": rng.standard_normal(300)}), file
    )
    report = json.loads(command(file, "--detector", "half-space-trees", *SMALL, "--json"))
    assert report["pooled"].keys() == {"rows", "alarms", "alarms_per_day"}


def test_windows_of_the_numenta_benchmark(tmp_path, command):
    (tmp_path / "folder").mkdir()
    file = write(tmp_path / "folder" / "a.csv", ",", labels=False)
    windows = tmp_path / "windows.json"
    windows.write_text(
        json.dumps({"folder/a.csv": [["2026-01-01 00:03:20", "2026-01-01 00:04:20.000000"]]})
    )
    report = json.loads(command(file, "--windows", windows, "--train-rows", "40%", "--json"))
    figures = report["files"][str(file)]
    assert figures["train_rows"] == 120
    assert (figures["events"], figures["events_with_an_alarm_begun"]) == (1, 1)
    with pytest.raises(PenstockError, match=r"says nothing of"):
        command(write(tmp_path / "b.csv"), "--windows", windows, *SMALL)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({7: "2026-01-01 00:00:06;1;x;ok;0"}, r"line 8, column 'power': 'x' is no number \(leave"),
        ({7: "yesterday;1;2;ok;0"}, r"line 8, column 'datetime': 'yesterday' is no time \(write"),
        ({7: "2026-01-01 00:00:06;1"}, r"line 8: 2 cells, the first line names 5 columns \(compl"),
        ({0: "datetime;flow;flow;note;anomaly"}, r"line 1: column 'flow' is there twice"),
    ],
)
def test_bad_cells_are_named_with_line_and_remedy(tmp_path, command, cells, message):
    with pytest.raises(PenstockError) as caught:
        command(write(tmp_path / "a.csv", cells=cells), *SMALL)
    assert re.search(message, str(caught.value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("time,a\n", "it has no rows"),
        ("time,a\n1,x\n", "no column holds numbers"),
    ],
)
def test_files_of_nothing_are_refused(tmp_path, command, text, message):
    file = tmp_path / "a.csv"
    file.write_text(text)
    with pytest.raises(PenstockError, match=message):
        command(file, *SMALL)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--detector", "pcb"], "did you mean 'pca'"),
        (["--labels", "anomoly"], "no column 'anomoly'"),
        (["--train-rows", "many"], "no number of rows"),
        (["--train-rows", "300"], "300 of 300 rows cannot be learned"),
        (["--set", "memori=3"], "no setting 'memori'"),
        (["--set", "variance=3"], "variance: Input should be less than 1"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, command, arguments, message):
    with pytest.raises(PenstockError, match=message):
        command(write(tmp_path / "a.csv"), *arguments)


def test_gaps_are_held_only_so_long_and_flagged_then(tmp_path, command):
    lines = {place: f"2026-01-01 00:02:{place % 60:02};;1.0;ok;0" for place in range(121, 160)}
    out = tmp_path / "s.parquet"
    command(write(tmp_path / "a.csv", cells=lines), *SMALL, "--out", out)
    states = pq.read_table(out)["state"].to_pylist()
    assert states[125] == "ok" and states[150] == "incomplete" and len(states) == 300


def test_figures_add_up_over_files():
    times = np.arange(100) * 1_000_000
    on, truth = np.arange(100) % 7 == 0, np.arange(100) > 60
    whole = measure(times, on, truth)
    both = pooled([whole, whole]).as_dict()
    assert both["f1"] == whole.as_dict()["f1"] and both["rows"] == 200
