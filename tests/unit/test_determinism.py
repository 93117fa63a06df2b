"""The determinism harness passes an operator that is right and catches each way to be wrong."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from penstock.errors import DecodeError, StateError
from penstock.operator import Books, Operator, Output, Result
from penstock.testing.batches import Record, SampleFeed
from penstock.testing.determinism import (
    CHECKS,
    check_crash,
    check_interleaving,
    check_restore,
    check_split,
)
from penstock.testing.joined import JoinedFeed, Of
from penstock.testing.subject import Subject

RECORDS = [
    Record("press07", "plc", [("power", 3, 1.0), ("speed", 4, 2.0)]),
    Record("pump03", "plc", [("power", 9, 5.0)]),
    Record("press07", "plc", []),
    Record("press07", "plc", [("power", 7, 4.0), ("power", 12, 3.0)]),
    Record("press07", "plc", [("power", 11, 8.0)]),
]


@dataclass(frozen=True)
class Total:
    asset: str
    total: float


class Totals(Operator):
    """The sum of all values of each asset, times a factor; published after every update."""

    def __init__(self, factor=1):
        self.factor, self.books, self.totals, self.changed = factor, Books(), {}, set()

    def update(self, batch):
        batch.check()
        for record, value, good in zip(batch.record, batch.value, batch.good, strict=True):
            self.add(batch.streams[batch.stream[record]], float(value) if good else 0.0)
        self.books.samples_in += len(batch)
        self.books.aggregated += int(batch.good.sum())
        self.books.bad += int((~batch.good).sum())
        return self.published()

    def add(self, stream, value):
        self.totals[stream] = self.totals.get(stream, 0.0) + value
        self.changed.add(stream)

    def published(self):
        found = sorted(self.totals.items())
        return Output([Result(a, Total(f"{a} {s}", self.factor * n)) for (a, s), n in found])

    def advance(self, time):
        return Output()

    def changes(self):
        rows = {
            "/".join(stream): json.dumps(self.totals[stream]).encode() for stream in self.changed
        }
        self.changed = set()
        if rows:
            books = self.books
            counts = [books.samples_in, books.aggregated, books.bad, books.late]
            rows["meta"] = json.dumps([self.fingerprint, counts]).encode()
        return rows

    def restore(self, rows):
        rows = {name: json.loads(row) for name, row in rows.items()}
        fingerprint, counts = rows.pop("meta", (self.fingerprint, [0, 0, 0, 0]))
        if fingerprint != self.fingerprint:
            raise StateError(fingerprint)
        self.books, self.changed = Books(*counts), set()
        self.totals = {tuple(name.split("/")): total for name, total in rows.items()}

    @property
    def fingerprint(self):
        return f"totals/1 {self.factor}"

    def watermarks(self):
        return {stream: int(total) for stream, total in self.totals.items()}


class CountsBatches(Totals):
    def published(self):
        self.totals = {stream: total + 1 for stream, total in self.totals.items()}
        self.changed = set(self.totals)
        return super().published()


class SavesOnlyOnce(Totals):
    def changes(self):
        self.changed -= {stream for stream, total in self.totals.items() if total > 3}
        return super().changes()


class ForgetsItsBooks(Totals):
    def restore(self, rows):
        super().restore(rows)
        self.books = Books()


class SaysWhatItRestored(Totals):
    def restore(self, rows):
        super().restore(rows)
        self.changed = set(self.totals)

    def changes(self):
        return {**super().changes(), "restored": b"1"}


class AddsOffsets(Totals):
    def update(self, batch):
        for record in set(batch.record.tolist()):
            self.add(batch.streams[batch.stream[record]], float(batch.offset[record]))
        return super().update(batch)


class DependsOnTheOrderOfArrival(Totals):
    def add(self, stream, value):
        self.totals[stream] = self.totals.get(stream, 0.0) / 2 + value
        self.changed.add(stream)


class CountsBadAsGood(Totals):
    def update(self, batch):
        self.books.aggregated += 1
        return super().update(batch)


class MovesWatermarks(Totals):
    def advance(self, time):
        for stream in self.totals:
            self.add(stream, 1.0)
        return self.published()


class ChangesBeforeItChecks(Totals):
    def update(self, batch):
        self.books.samples_in += len(batch)
        output = super().update(batch)
        self.books.samples_in -= len(batch)
        return output


class TakesAnything(Totals):
    def update(self, batch):
        try:
            return super().update(batch)
        except DecodeError:
            return Output()


class LeavesTheFactorOut(Totals):
    fingerprint = "totals/1"


class TakesAnyState(Totals):
    def restore(self, rows):
        rows = dict(rows)
        rows.pop("meta", None)
        super().restore(rows)


class WritesIntoTheBatch(Totals):
    def update(self, batch):
        np.nan_to_num(batch.value, copy=False)
        return super().update(batch)


def failing(operator):
    """The names of the checks that an operator fails."""
    one = Subject("totals", operator, ("asset",), [lambda: operator(2)], out_of_order=8)
    failed = set()
    for check in CHECKS:
        try:
            check(one, RECORDS)
        except (AssertionError, ValueError):
            failed.add(check.__name__.removeprefix("check_"))
    return failed


SEVERAL = [Of("ot.b", one) if number % 2 else Of("ot.a", one) for number, one in enumerate(RECORDS)]


@pytest.mark.parametrize("check", [check_split, check_crash, check_restore, check_interleaving])
def test_an_operator_of_several_topics_is_fed_one_at_a_time(check):
    feeds = {"ot.a": SampleFeed, "ot.b": SampleFeed}
    one = Subject("totals", Totals, ("asset",), feed=lambda: joined(feeds))
    check(one, SEVERAL)
    wrong = Subject("totals", DependsOnTheOrderOfArrival, ("asset",), feed=lambda: joined(feeds))
    if check is check_interleaving:
        with pytest.raises(AssertionError, match="with the topics in another order"):
            check(wrong, SEVERAL)


def joined(feeds):
    return JoinedFeed({topic: feed() for topic, feed in feeds.items()})


def test_an_operator_that_is_right_passes():
    assert failing(Totals) == set()


@pytest.mark.parametrize(
    ("operator", "check"),
    [
        (CountsBatches, "split"),
        (SavesOnlyOnce, "restore"),
        (SavesOnlyOnce, "crash"),
        (ForgetsItsBooks, "restore"),
        (SaysWhatItRestored, "restore"),
        (AddsOffsets, "duplicates"),
        (DependsOnTheOrderOfArrival, "shuffle"),
        (CountsBadAsGood, "books"),
        (MovesWatermarks, "advance"),
        (ChangesBeforeItChecks, "refusal"),
        (TakesAnything, "refusal"),
        (LeavesTheFactorOut, "fingerprint"),
        (TakesAnyState, "fingerprint"),
        (WritesIntoTheBatch, "split"),
    ],
)
def test_each_way_to_be_wrong_is_caught(operator, check):
    assert check in failing(operator)
