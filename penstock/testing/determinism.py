"""What every operator must keep, checked without knowing what it computes.

A `Subject` is an operator and what it is fed; each of `CHECKS` takes one and a list of records. A
new processor is tested by one line, with records from `penstock.testing.strategies`:

    @pytest.mark.parametrize("check", CHECKS)
    @given(records=record_lists())
    def test_my_processor(check, records):
        check(subject(MyProcessor, plant), records)

Every run ends with records far later than all others, so that everything gets published.

**Duplicates.** A record of SensorEvents that comes twice is dropped by the host, by (source,
session, asset, sequence), before an operator sees it. What is left for an operator to see is a gap
in the offsets. An operator that is fed otherwise must itself bear every record twice.

**Several topics.** Their records are `penstock.testing.joined.Of` a topic. A batch is of one topic;
in which order those of different topics come must make no difference.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

from penstock.errors import StateError
from penstock.operator import Operator, Output
from penstock.testing.joined import Of, by_topic, interleaved
from penstock.testing.outcome import Outcome, alike, plain
from penstock.testing.subject import Subject

Rows = dict[str, bytes]

_SHUFFLES: Final = 3


class _Run:
    """An operator, what it was fed, and what came of it."""

    def __init__(self, subject: Subject, *, first: int = 0, rows: Rows | None = None) -> None:
        self.operator = subject.make()
        if rows is not None:
            self.operator.restore(rows)
        self.outcome = Outcome(subject.identity)
        self.rows: Rows = dict(rows or {})
        self._feed, self._offset = subject.feed(), first

    def take(self, records: Sequence[Any], step: int = 1) -> Output:
        """Update with one batch, or with one for each run of records of the same topic."""
        outputs = [self._take(run, step) for run in by_topic(records)]
        return Output(
            [result for output in outputs for result in output.results],
            [late for output in outputs for late in output.late],
        )

    def _take(self, records: Sequence[Any], step: int) -> Output:
        batch = self._feed.batch(records, self._offset, step)
        self._offset += len(records) * step
        output = self.operator.update(batch)
        self.outcome.take(output, batch)
        return output

    def close(self, records: Sequence[Any], step: int = 1) -> "_Run":
        """Publish all that is known from these records, which were taken."""
        self.take(self._feed.closing(records), step)
        return self

    def snapshot(self) -> Rows:
        """All rows so far, as a compacted topic would hold them."""
        together = {**self.rows, **self.operator.changes()}
        self.rows = {name: row for name, row in together.items() if row is not None}
        return self.rows

    def expect(self, other: "_Run", when: str) -> None:
        """Fail unless the other ended as this one."""
        self.outcome.expect(other.outcome, when)
        _equal(self.operator.watermarks(), other.operator.watermarks(), f"watermarks {when}")
        _equal(plain(self.operator.books), plain(other.operator.books), f"books {when}")


def check_split(subject: Subject, records: Sequence[Any]) -> None:
    """`update(a + b)` leaves what `update(a)`, `update(b)` leave, at every split."""
    whole = _Run(subject)
    whole.take(records)
    whole.close(records)
    for cuts in [*([cut] for cut in range(len(records) + 1)), list(range(1, len(records)))]:
        split = _Run(subject)
        for low, high in pairwise([0, *cuts, len(records)]):
            split.take(records[low:high])
        whole.expect(split.close(records), f"after splits at {cuts}")


def check_crash(subject: Subject, records: Sequence[Any]) -> None:
    """A crash after every record leaves no trace, if each was followed by a snapshot."""
    straight, rows = _Run(subject), dict[str, bytes]()
    for place, record in enumerate([*records, *subject.feed().closing(records)]):
        crashing = _Run(subject, first=place, rows=rows)
        expected, got = plain(straight.take([record])), plain(crashing.take([record]))
        _equal(expected, got, f"output of record {place} after a crash before it")
        rows = crashing.snapshot()
        straight.snapshot()
        _equal(straight.rows, rows, f"state after record {place} and crashes before it")


def check_restore(subject: Subject, records: Sequence[Any]) -> None:
    """From every snapshot, of frequent and rare ones, all goes on as if there had been no crash."""
    everything = [*records, *subject.feed().closing(records)]
    for period in (1, 3):
        straight, outputs, snapshots = _Run(subject), list[Any](), dict[int, Rows]()
        for place, record in enumerate(everything):
            if place % period == 0:
                snapshots[place] = straight.snapshot()
            outputs.append(plain(straight.take([record])))
        for start, rows in snapshots.items():
            restored = _Run(subject, first=start, rows=rows)
            for place in range(start, len(everything)):
                got = plain(restored.take([everything[place]]))
                when = f"output of record {place} from the snapshot at {start}"
                _equal(outputs[place], got, when)
            _equal(straight.snapshot(), restored.snapshot(), f"state from the snapshot at {start}")
            _equal(plain(straight.operator.books), plain(restored.operator.books), "books")
        _equal(dict(straight.operator.changes()), {}, "changes after changes")


def check_growth(subject: Subject, records: Sequence[Any]) -> None:
    """Where a plant gets more machines and lines, the state of those that it had goes on."""
    if subject.grown is None:
        return
    straight, grown = _Run(subject), replace(subject, make=subject.grown)
    for place, record in enumerate([*records, *subject.feed().closing(records)]):
        more = _Run(grown, first=place, rows=dict(straight.snapshot()))
        expected, got = plain(straight.take([record])), plain(more.take([record]))
        _equal(expected, got, f"output of record {place} in a plant that has grown")


def check_duplicates(subject: Subject, records: Sequence[Any]) -> None:
    """Every record twice makes no difference; what the host drops leaves gaps in the offsets."""
    once, twice = _Run(subject), _Run(subject)
    once.take(records)
    if subject.feed().host_drops_duplicates:
        twice.take(records, step=2)
        twice.close(records, step=2)
        twice.outcome.halve_offsets()
        once.close(records).expect(twice, "with gaps in the offsets")
        return
    for record in records:
        twice.take([record, record])
    twice.take(records)
    once.close(records).outcome.expect_results(
        twice.close(records).outcome, "with every record again"
    )


def check_shuffle(subject: Subject, records: Sequence[Any]) -> None:
    """Records out of order by less than `out_of_order` give the same, and none is late."""
    if not subject.out_of_order:
        return
    for seed in range(_SHUFFLES):
        source = random.Random(seed)
        ordered, shuffled = subject.feed().shuffled(records, subject.out_of_order, source)
        runs = [_Run(subject), _Run(subject)]
        for run, arrival in zip(runs, (ordered, shuffled), strict=True):
            for record in arrival:
                run.take([record])
            run.close(ordered)
            _equal(0, run.operator.books.late, "late samples within out_of_order")
        runs[0].expect(runs[1], "after a shuffle within out_of_order")


def check_interleaving(subject: Subject, records: Sequence[Any]) -> None:
    """Records of several topics give the same in whichever order the topics come."""
    if not all(isinstance(record, Of) for record in records):
        return
    whole = _Run(subject)
    whole.take(sorted(records, key=lambda record: record.topic))
    whole.close(records)
    for seed in range(_SHUFFLES):
        other = _Run(subject)
        for record in interleaved(records, random.Random(seed)):
            other.take([record])
        other.close(records)
        whole.outcome.expect_results(other.outcome, "with the topics in another order")
        _equal(plain(whole.operator.books), plain(other.operator.books), "books of another order")


def check_books(subject: Subject, records: Sequence[Any]) -> None:
    """The books close after every record, and the late ones are those that were handed back."""
    run = _Run(subject)
    for place, record in enumerate([*records, *subject.feed().closing(records)]):
        run.take([record])
        books = run.operator.books
        if not books.closed:
            msg = f"{subject.name}: the books do not close after record {place}: {books}"
            raise AssertionError(msg)
        _equal(books.samples_in, run.outcome.samples, f"samples in after record {place}")
        _equal(books.late, len(run.outcome.late), f"late samples after record {place}")
        _equal(len(set(run.outcome.late)), len(run.outcome.late), "a sample is late only once")


def check_advance(subject: Subject, records: Sequence[Any]) -> None:
    """`advance` moves no watermark, books nothing, and later results are as if it never was."""
    quiet, advanced = _Run(subject), _Run(subject)
    clock = random.Random(len(records))
    wall = 10**17
    for record in records:
        quiet.take([record])
        advanced.take([record])
        before = plain([advanced.operator.watermarks(), advanced.operator.books])
        wall += clock.choice((0, 5, 30, 10**9))
        output = advanced.operator.advance(wall)
        advanced.outcome.take(output, None)
        _equal(list(output.late), [], "samples dropped by advance")
        after = plain([advanced.operator.watermarks(), advanced.operator.books])
        _equal(before, after, "watermarks and books over advance")
    quiet.close(records)
    advanced.close(records)
    for name, expected in quiet.outcome.last.items():
        if not alike(expected, advanced.outcome.last.get(name)):
            msg = f"{subject.name}: after advance, {name} is {advanced.outcome.last.get(name)}"
            raise AssertionError(msg)


def check_refusal(subject: Subject, records: Sequence[Any]) -> None:
    """`update` refuses a broken batch, and changes nothing when it raises."""
    straight, disturbed = _Run(subject), _Run(subject)
    feed = subject.feed()
    for place, record in enumerate([*records, *feed.closing(records)]):
        rows = dict(disturbed.snapshot())
        known = plain([disturbed.operator.watermarks(), disturbed.operator.books])
        for number, batch in enumerate(feed.broken(feed.batch([record], place))):
            _refuses(disturbed.operator, batch, f"{subject.name}: broken batch {number}")
        _equal(rows, disturbed.snapshot(), "state after a refused batch")
        after = plain([disturbed.operator.watermarks(), disturbed.operator.books])
        _equal(known, after, "watermarks and books after a refused batch")
        expected, got = plain(straight.take([record])), plain(disturbed.take([record]))
        _equal(expected, got, f"output of record {place} after refused batches")


def _refuses(operator: Operator[Any], batch: Any, what: str) -> None:
    try:
        operator.update(batch)
    except Exception:  # whatever it raises, the host bisects and writes a dead letter
        return
    msg = f"{what} was taken"
    raise AssertionError(msg)


def check_fingerprint(subject: Subject, records: Sequence[Any]) -> None:
    """Other parameters refuse the state, unless fingerprint and results are the same."""
    run = _Run(subject)
    run.take(records)
    rows = run.snapshot()
    run.close(records)
    _equal(subject.make().fingerprint, run.operator.fingerprint, "fingerprint of a new operator")
    for make in subject.others:
        other = make()
        if other.fingerprint == run.operator.fingerprint:
            same = _Run(Subject(subject.name, make, subject.identity, feed=subject.feed))
            same.take(records)
            run.expect(same.close(records), "of an operator with the same fingerprint")
            continue
        try:
            other.restore(rows)
        except StateError:
            continue
        if rows:
            msg = f"{other.fingerprint} took the state of {run.operator.fingerprint}"
            raise AssertionError(msg)


def _equal(expected: Any, got: Any, what: str) -> None:
    if expected != got:
        msg = f"{what}: expected {_shown(expected)}, got {_shown(got)}"
        raise AssertionError(msg)


def _shown(value: Any) -> str:
    return str(dict(value) if isinstance(value, Mapping) else value)


CHECKS: Final = (
    check_split,
    check_crash,
    check_restore,
    check_growth,
    check_duplicates,
    check_shuffle,
    check_interleaving,
    check_books,
    check_advance,
    check_refusal,
    check_fingerprint,
)
"""All of them; each raises AssertionError."""
