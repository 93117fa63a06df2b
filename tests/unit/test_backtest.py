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

    def run(*arguments, shown="stdout"):
        found = CliRunner().invoke(app, [str(one) for one in arguments])
        if isinstance(found.exception, PenstockError):
            raise found.exception
        assert found.exit_code == 0, found.output
        return getattr(found, shown)

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


def test_rows_after_a_clock_was_set_back_are_scored_as_they_stand(tmp_path, command):
    back = {
        place: f"2025-12-31 23:{place // 60:02}:{place % 60:02};1;2;ok;0" for place in (250, 251)
    }
    words = (write(tmp_path / "a.csv", cells=back), "--labels", "anomaly", *SMALL, "--json")
    assert json.loads(command(*words))["pooled"]["rows"] == 200
    assert "there is 1 row earlier than the one before" in command(*words, shown="stderr")


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
        (
            {7: "2026-01-01 00:00:06;1;2;ok;maybe"},
            r"line 8, column 'anomaly': 'maybe' is no label \(write 0 or a whole number, true or",
        ),
        ({7: "2026-01-01 00:00:06;1;2;ok;0.5"}, r"column 'anomaly': '0.5' is no label"),
    ],
)
def test_bad_cells_are_named_with_line_and_remedy(tmp_path, command, cells, message):
    with pytest.raises(PenstockError) as caught:
        command(write(tmp_path / "a.csv", cells=cells), "--labels", "anomaly", *SMALL)
    assert re.search(message, str(caught.value))


def test_rows_may_have_the_same_time(tmp_path, command):
    file = write(tmp_path / "a.csv", cells={7: "2026-01-01 00:00:05;1;2;ok;0"})
    assert json.loads(command(file, *SMALL, "--json"))["pooled"]["rows"] == 200


@pytest.mark.parametrize("words", [("no", "Yes"), ("false", "TRUE"), ("0", "2"), ("", "1.0")])
def test_labels_may_be_words(tmp_path, command, words):
    file = write(tmp_path / "a.csv")
    figures = command(file, "--labels", "anomaly", *SMALL, "--json")
    lines = file.read_text().splitlines()
    cut = [line.rpartition(";") for line in lines[1:]]
    said = [f"{line};{words[label == '1.0']}" for line, _, label in cut]
    file.write_text("\n".join([lines[0], *said]) + "\n")
    assert command(file, "--labels", "anomaly", *SMALL, "--json") == figures


def test_a_column_that_is_to_be_ignored_must_be_there(tmp_path, command):
    with pytest.raises(
        PenstockError, match=r"there is no column 'not'.*datetime, flow, power, note"
    ):
        command(write(tmp_path / "a.csv"), "--ignore", "not", *SMALL)


def test_labels_of_parquet_may_be_booleans(tmp_path, command):
    file = tmp_path / "a.parquet"
    times = pa.array(np.arange(200) * 1_000_000, pa.timestamp("us"))
    bad = np.arange(200) >= 150
    columns = {"time": times, "x": np.random.default_rng(1).standard_normal(200), "bad": bad}
    pq.write_table(pa.table(columns), file)
    report = json.loads(command(file, "--labels", "bad", *SMALL, "--json"))["pooled"]
    assert (report["events"], report["true_positives"] + report["false_negatives"]) == (1, 50)


@pytest.mark.parametrize("detector", ["pca", "half-space-trees"])
def test_columns_that_are_not_watched_are_said(tmp_path, command, detector):
    file, out = tmp_path / "a.csv", tmp_path / "s.parquet"
    rng, lines = np.random.default_rng(4), ["time,a,b,jumps,moves,rare"]
    for row in range(600):
        values = [rng.standard_normal(), 5, 7 if row < 300 else 1e6]
        values += [rng.standard_normal() if row >= 300 else 0, "" if row % 50 else row]
        lines.append(",".join(map(str, [1_767_225_600 + row, *values])))
    file.write_text("\n".join(lines) + "\n")
    words = (file, "--detector", detector, *SMALL, "--set", "smoothing=1", "--out", out)
    notes = json.loads(command(*words, "--json"))["notes"]
    still = "does not change in the rows learned first: it is not watched"
    assert [note.removeprefix(f"{file}: column ") for note in notes[:2]] == [
        f"'b' {still}",
        f"'jumps' {still}; it changes at 2026-01-01 00:05:00",
    ]
    assert re.search(rf"'moves' {still}; .*00:05:00, watched from 2026-01-01 00:0[67]", notes[2])
    assert notes[3].endswith(
        "'rare' has too few values in the rows learned first: it is not watched"
    )
    assert command(*words, shown="stderr").splitlines() == notes
    missing = pq.read_table(out)["missing"].to_pylist()
    assert missing[299:301] == [[], ["jumps", "moves"]] and missing[-1] == []


@pytest.mark.parametrize("count", [1, 15])
def test_the_figures_fit_a_terminal_of_80_columns(tmp_path, command, monkeypatch, count):
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "valve").mkdir()
    files = [write(tmp_path / "valve" / f"{n}.csv", rows=130, fault=[120]) for n in range(count)]
    files.append(write(tmp_path / "machine_temperature.csv", rows=130, fault=[120]))
    shown = command(*files, "--labels", "anomaly", *SMALL)
    assert "…" not in shown and max(map(len, shown.splitlines())) <= 80
    rows = [line.split() for line in shown.splitlines()]
    for name in (*(f"valve/{n}.csv" for n in range(count)), "pooled"):
        assert [len(row) for row in rows if row and row[0] == name] == [10]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("time,a\n", "it has no rows"),
        ("time,a\n1,x\n", "no column holds numbers"),
        ("a,b\n11.288,1\n", "no column of times was found: .*'a', begins with '11.288' .name it"),
        ("time,a\n1767225600,1\n", "the file is too short: 1 rows, at least 21 are needed"),
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
