"""Alerts are held against what became of the machines that they are of."""

from typing import Any

from penstock.demo.check_alerts import AHEAD, AlertCheck, check_alerts
from penstock.factory.schedule import Activity
from penstock.factory.truth_reader import ActivitySpan, Truth

SECOND = 1_000_000
END = 100 * SECOND


def truth(*failures: tuple[str, int, int]) -> Truth:
    """Machines a and b, both told of up to the end; failures in seconds."""
    spans = [ActivitySpan(asset, Activity.PRODUCING, 0, END, "", 0) for asset in "ab"]
    spans += [
        ActivitySpan(asset, Activity.FAILURE, begin * SECOND, end * SECOND, "", 1)
        for asset, begin, end in failures
    ]
    return Truth({}, spans, [], frozenset(), {}, {})


def alert(name: str, asset: str, onset: int, cause: str = "anomaly/pca", **more: Any) -> Any:
    version = {"epoch": 1, "offsets": [1], "emission": 1}
    at = onset * SECOND
    found = {"id": name, "asset": asset, "onset": at, "raised": at, "cause": cause}
    return {**found, "version": version, **more}


def test_an_alert_is_of_a_failing_machine_or_false_or_hidden_by_the_end() -> None:
    found = check_alerts(
        truth(("a", 30, 40)),
        [
            alert("1", "a", 10),  # before it fails
            alert("2", "a", 35),  # while it is out of order
            alert("3", "b", 20),  # goes on
            alert("4", "a", 45),  # does not fail again
            alert("5", "b", 100 - AHEAD // SECOND + 1),  # who knows
            alert("6", "b", 1, "silent/plc"),  # says nothing of the machine
        ],
        [{"ID": "1"}, {"ID": "1"}, {"ID": "3"}],
    )
    assert found == AlertCheck(alerts=6, on_failing=2, false=2, requests=2)


def test_an_alert_counts_once_whatever_was_said_of_it() -> None:
    records = [alert("1", "a", 20, state=state) for state in ("raised", "cleared")]
    assert check_alerts(truth(("a", 30, 31)), records, []).alerts == 1


def test_an_alert_that_was_raised_before_the_run_and_cleared_in_it_is_not_of_the_run() -> None:
    records = [alert("1", "a", 20, state="cleared"), alert("2", "a", 30)]
    found = check_alerts(truth(("a", 30, 31)), records, [{"ID": "1"}], 25 * SECOND)
    assert (found.alerts, found.requests) == (1, 0)


def test_without_alerts_there_is_nothing_to_count() -> None:
    assert check_alerts(truth(), [], []) == AlertCheck()
