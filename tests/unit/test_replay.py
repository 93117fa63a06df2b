"""What a replay shows and when, what it remembers, and what it refuses."""

import math

import numpy as np
import pytest
from typer.testing import CliRunner

from penstock.cli import app
from penstock.errors import ConfigurationError, HistoryError
from penstock.history.note import notebook
from penstock.history.pace import Pace
from penstock.history.reel import read_reel
from penstock.history.table import read_table

SECOND = 1_000_000


@pytest.fixture
def files(tmp_path):
    first, second = tmp_path / "pump 1.csv", tmp_path / "fan.csv"
    first.write_text("time,flow,note\n2020-01-01 00:00:00,1.5,a\n2020-01-01 00:00:04,,b\n")
    second.write_text("time;flow;speed\n2020-01-01 00:00:09;2;7\n2020-01-01 00:00:03;3;8\n")
    return [first, second]


def test_rows_of_several_files_follow_each_other_each_file_in_its_own_time(files):
    reel = read_reel(files).below("acme/bremen")
    assert len(reel) == 4
    assert reel.assets == ("acme/bremen/pump_1", "acme/bremen/fan")
    assert reel.due.tolist() == [0, 4, 4, 4]  # the second file's clock goes back
    assert [reel.row(number) for number in range(4)] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_an_empty_cell_is_no_sample_and_no_other_is_left_out(files):
    reel = read_reel(files, "press")
    day = 1_577_836_800 * SECOND
    assert [tuple(sample[:4]) for sample in reel.samples(0, 4)] == [
        ("press", "flow", 1.5, day),
        ("press", "flow", 2.0, day + 9 * SECOND),
        ("press", "speed", 7.0, day + 9 * SECOND),
        ("press", "flow", 3.0, day + 3 * SECOND),
        ("press", "speed", 8.0, day + 3 * SECOND),
    ]


def test_rows_come_at_the_speed_that_was_chosen_from_where_the_replay_goes_on():
    seconds = 100.0
    pace = Pace(np.array([0.0, 60.0, 120.0, 180.0]), 60.0, 1, lambda: seconds)
    assert (pace.end(), pace.wait(1), pace.wait(2)) == (2, 0.0, 1.0)
    seconds = 101.5
    assert (pace.end(), pace.wait(2), pace.wait(3)) == (3, 0.0, 0.5)
    seconds = 500.0
    assert (pace.end(), pace.wait(3)) == (4, 0.0)
    assert Pace(np.array([0.0, 1e9]), math.inf, 0, lambda: 0.0).end() == 2


def test_a_replay_goes_on_with_its_files_only_and_begins_anew_on_demand(tmp_path, files):
    def opened(reel, run="r2", again=False):
        return notebook(tmp_path / "notes", "pump", reel.fingerprint, run, again=again)

    with opened(read_reel(files), "r1") as book:
        book.write(3)
        with pytest.raises(HistoryError, match="another process"), opened(read_reel(files)):
            pass
    with opened(read_reel(files)) as book:
        assert (book.note.run, book.note.row) == ("r1", 3)
    files[0].write_text(files[0].read_text().replace("1.5", "1.6"))
    with pytest.raises(HistoryError, match="these have changed"), opened(read_reel(files)):
        pass
    with opened(read_reel(files), again=True) as book:
        assert (book.note.run, book.note.row) == ("r2", 0)


def test_a_note_that_is_none_is_named(tmp_path, files):
    (tmp_path / "pump.json").write_text("{")
    with (
        pytest.raises(HistoryError, match=r"pump\.json.*cannot be read.*--again"),
        notebook(tmp_path, "pump", read_reel(files).fingerprint, "r", again=False),
    ):
        pass


@pytest.mark.parametrize(
    ("words", "kind", "named"),
    [
        (["--speed", "fast"], ConfigurationError, "'fast' is no speed"),
        (["--speed", "-1"], ConfigurationError, "'-1' is no speed"),
        (["--source", "a/b"], ConfigurationError, "'a/b' cannot be the name of a source"),
    ],
)
def test_options_that_make_no_sense_are_named(files, words, kind, named):
    error = CliRunner().invoke(app, ["replay", str(files[0]), *words]).exception
    assert isinstance(error, kind)
    assert named in str(error)


def _reel_of(tmp_path, text, **options):
    file = tmp_path / "press.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_reel([file], **options)


def test_numbers_with_a_decimal_comma_are_numbers(tmp_path):
    reel = _reel_of(tmp_path, "timestamp;Flow;Druck\n2020-01-01 00:00:00;0,1;1\n")
    assert [sample[1:3] for sample in reel.samples(0, 1)] == [("Flow", 0.1), ("Druck", 1.0)]


def test_three_digits_behind_a_comma_are_decimals_where_another_number_shows_it(tmp_path):
    text = "time;a;note;b\n2020-01-01;1,001;2.5 mm;7\n2020-01-02;999;;1,5\n"
    reel = _reel_of(tmp_path, text)
    assert [(s.tag, s.value) for s in reel.samples(0, 2)] == [
        ("a", 1.001), ("b", 7.0), ("a", 999.0), ("b", 1.5),
    ]  # fmt: skip


def test_what_an_ignored_column_may_mean_does_not_matter(tmp_path):
    text = "time;a;b\n2020-01-01;1,001;2.5\n"
    reel = _reel_of(tmp_path, text, ignored=["a"])
    assert [sample.value for sample in reel.samples(0, 1)] == [2.5]


def test_what_is_left_out_is_said(tmp_path):
    text = "time,a,note,on\n2020-01-01,inf,x,true\n2020-01-02,,y,false\n2020-01-03,NaN,z,true\n"
    (table,) = _reel_of(tmp_path, text.replace("01-02,,", "01-02,1,")).tables
    where = tmp_path / "press.csv"
    assert table.remarks() == [
        f"{where}: column 'note' is ignored: no numbers",
        f"{where}: column 'on' is ignored: no numbers",
        f"{where}: 2 cells of inf, NaN or the like are no samples",
    ]


def test_rows_that_go_back_in_time_are_said(tmp_path):
    text = "time,a\n2020-01-02,1\n2020-01-01,2\n2020-01-03,3\n"
    (table,) = _reel_of(tmp_path, text).tables
    (remark,) = table.remarks()
    assert "there is 1 row earlier than the one before, and all are taken as they stand" in remark


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("x,a\n11.288,1\n", "no column of times .* with '11.288'"),
        ("x,a\nok,1\n", "no column of times .* with 'ok'"),
        (
            "x,a\n1,1\n2,2\n",
            "no column of times was found: none is called time, .*, 'x', begins with '1' .*--time",
        ),
        ("time,a\n1577836800000,1\n", "1577836800000 is no second since 1970"),
        (
            "time;a\n2020-01-01;1,5\n2020-01-02;1.5\n",
            "line 3, column 'a': '1.5' has a decimal point, line 2 .* comma",
        ),
        (
            "time;a\n2020-01-01;999\n\n2020-01-02;1,001\n",
            "line 4, column 'a': '1,001' may mean two",
        ),
        (
            "time;a;b\n2020-01-01;1,001;2.5\n",
            "column 'a': '1,001' .*write 1001 or 1.001, or --ignore",
        ),
        ('time,a\n2020-01-01,"1,001"\n', "line 2, column 'a': '1,001' may mean two"),
        ("Zeit;Fl\xfcss\n2020-01-01;1\n".encode("cp1252"), "no text in UTF-8 .*CSV UTF-8"),
    ],
)
def test_a_file_that_may_mean_something_else_is_refused(tmp_path, text, named):
    with pytest.raises(HistoryError, match=rf"press\.csv.*{named}"):
        _reel_of(tmp_path, text)


def test_a_column_of_times_that_a_person_named_is_taken_as_it_is(tmp_path):
    reel = _reel_of(tmp_path, "x,a\n1,1\n2,2\n", time="x")
    assert [sample.source_time for sample in reel.samples(0, 2)] == [SECOND, 2 * SECOND]


def test_the_name_of_a_source_of_the_plant_is_refused(files, tmp_path):
    CliRunner().invoke(app, ["connectors", "sample", "modbus", "--folder", str(tmp_path)])
    words = ["replay", str(files[0]), "--config", str(tmp_path / "plant.yaml")]
    error = CliRunner().invoke(app, [*words, "--source", "modbus1"]).exception
    assert isinstance(error, ConfigurationError)
    assert "'modbus1' is a source of the plant" in str(error)


def test_times_and_labels_may_be_written_otherwise_than_the_signals(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_text("time;a;anomaly\n1583749473.5;0,5;0.0\n1583749474.5;1,5;1.0\n")
    found = read_table(path, labels="anomaly")
    assert found.values.tolist() == [[0.5], [1.5]]
    assert found.labels is not None and found.labels.tolist() == [False, True]
    assert found.times.tolist() == [1583749473_500_000, 1583749474_500_000]
