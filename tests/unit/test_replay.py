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
