"""The arithmetic of sizes, held against a simulation and against itself."""

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from penstock.cli import app
from penstock.errors import ConfigurationError
from penstock.sizing import Figures, Load, busiest_share, catch_up, size

HOUR = timedelta(hours=1)


def backlog(rate: float, capacity: float, away: float) -> int:
    """Seconds until nothing is behind any more, second by second."""
    behind, seconds = rate * away, 0
    while behind > 0:
        behind += rate - capacity
        seconds += 1
    return seconds


@settings(max_examples=20)
@given(st.integers(1_000, 50_000), st.sampled_from([10.0, 60.0, 600.0]))
def test_catching_up_takes_as_long_as_simulated(tags: int, away: float) -> None:
    load = Load(tags)
    simulated = backlog(load.samples * len(load.windows), Figures().worker_rates[0][1], away)
    found = catch_up(load, 1, timedelta(seconds=away)).total_seconds()
    assert simulated - 1 <= found <= simulated + 1


@settings(max_examples=20)
@given(st.integers(1_000, 200_000), st.integers(20, 200), st.sampled_from([0.5, 1.0, 10.0]))
def test_what_is_found_carries_the_load(tags: int, per_asset: int, every: float) -> None:
    load = Load(tags, timedelta(seconds=every), per_asset)
    found = size(load)
    assert catch_up(load, found.workers, HOUR) <= HOUR
    assert found.partitions >= 2 * found.workers
    assert found.broker_written == pytest.approx(found.broker_in * load.replication)


def test_all_of_one_asset_is_one_workers() -> None:
    assert busiest_share(1, 6, 3) == 3
    assert 1 <= busiest_share(10_000, 48, 8) < 1.1
    with pytest.raises(ConfigurationError, match="1 assets are too few"):
        size(Load(900_000, tags_per_asset=900_000))


def test_workers_that_are_too_few_never_catch_up() -> None:
    with pytest.raises(ConfigurationError, match="fall behind for ever"):
        catch_up(Load(1_000_000), 1, HOUR)


def test_the_command_takes_ones_own_numbers() -> None:
    words = ["size", "--tags", "20000", "--every", "2 s", "--window", "10 s", "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert (found["tags"], found["samples/s"], found["workers"]) == (20_000, 10_000, 1)
    refused = CliRunner().invoke(app, ["size", "--every", "soon"])
    assert refused.exit_code == 2
    assert "--every: 'soon' is no duration" in " ".join(refused.output.replace("│", " ").split())
