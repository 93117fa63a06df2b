"""Alerts of assets, from raised through acknowledged to cleared, one per asset and cause at a time.

**Causes.** `anomaly/<detector>`: the detector holds the asset to be abnormal. `silent/<source>`: in
a whole window none of the asset's tags had a good value from the source, which said so or was heard
of others. A source that says nothing at all has no window that closes: that it is away, its
connector tells (`penstock_connector_up`, for which there is a rule of Prometheus), and the console.

**Life cycle.** An alert is *raised* once its condition has held for `on_delay` of event time
without a break, and *cleared* once it has not held for `off_delay` without a break. An anomaly
holds no more where the detector has ended its alarm and the p-value is beyond its threshold by
`deadband`; between the two nothing changes. What is not known (a score that is warming up or
frozen) changes nothing either: it neither raises nor clears. An incomplete score is of the tags
that are there: it can raise, but not clear. *Acknowledged* says that a person took note of it. It
may come at any time, also after the alert was cleared or before it is known here; of several
acknowledgements the earliest counts.

**One per asset and cause.** While an alert is not cleared, no other is raised for the same. Its id
comes from asset, cause and onset, so that it is the same whenever it is computed again.

**Evidence** is of the time up to when the alert was raised: the tags that contribute most, their
means over the last windows, and the worst p-value in each. Windows of that time that come later are
added, by a further revision. It is columns of numbers of bounded size; whoever shows an alert draws
the picture from them.

**Order.** Scores and windows of one asset and cause are taken in the order of their times; one that
is not newer than what was seen is not looked at, so that what comes twice changes nothing. No clock
is looked at.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from penstock.errors import DecodeError
from penstock.operator import Books, Operator, Output, RecordBatch, Result
from schemas import Acknowledgement, Alert, AlertState, AnomalyScore, Evidence, Version
from streams.operators.alerting.book import Book, dump_alert, identity, load_alert
from streams.operators.alerting.conditions import Change, Condition, Observation
from streams.operators.alerting.history import LENGTH, History, SignalWindow
from streams.operators.alerting.looks import SILENT, look
from streams.operators.alerting.parameters import AlertParameters
from streams.operators.rows import META, dump, dump_meta, load_meta, load_rows

_KINDS: Final = (AnomalyScore, SignalWindow, Acknowledgement)
Rows = dict[str, bytes | None]


class Alerts(Operator[RecordBatch]):
    """Alerts of one partition's assets; the module's docstring says what they mean.

    Args:
        parameters: Delays and the deadband.
    """

    state_format: ClassVar[int] = 1

    def __init__(self, parameters: AlertParameters) -> None:
        self.parameters = parameters
        self.books = Books()
        self._conditions: dict[tuple[str, str], Condition] = {}
        self._histories: dict[str, History] = {}
        self._book = Book()
        self._changed: set[tuple[str, ...]] = set()
        self._anything = True

    @property
    def fingerprint(self) -> str:
        """Name, state format and parameters."""
        return f"alerts/{self.state_format} {self.parameters.text}"

    def watermarks(self) -> Mapping[tuple[str, str], int]:
        """The time of the newest observation of each (asset, cause)."""
        seen = self._conditions.items()
        return {name: one.time for name, one in seen if one.time is not None}

    def update(self, batch: RecordBatch) -> Output:
        """Take scores, windows and acknowledgements in; gives the alerts that changed.

        Raises:
            DecodeError: A record is none of these; nothing has changed.
        """
        for record in batch.records:
            if not isinstance(record, _KINDS):
                msg = "a record is no score, window or acknowledgement"
                raise DecodeError(msg, remedy="look at what else writes to the topic")
        results = [result for record in batch.records for result in self._take(record)]
        self.books.samples_in += len(batch)
        self.books.aggregated += len(batch)
        self._anything |= len(batch) > 0
        return Output(results)

    def _take(self, record: Any) -> Iterable[Result]:
        if isinstance(record, Acknowledgement):
            return self._acknowledge(record)
        if isinstance(record, SignalWindow):
            if record.size != self.parameters.window:
                return ()
            changed = self._history(record.asset).take(record, self._judged(record.asset))
            self._changed |= {("w", record.asset, str(start), of) for start, of in changed}
        seen = look(record, self.parameters)
        found = () if seen is None else self._observe(seen)
        return [*found, *self._more_evidence(record)] if isinstance(record, SignalWindow) else found

    def _judged(self, asset: str) -> int | None:
        """How far an asset's anomalies are judged; None before the first score."""
        times = (
            one.time
            for (of, cause), one in self._conditions.items()
            if of == asset and not cause.startswith(SILENT) and one.time is not None
        )
        return max(times, default=None)

    def _more_evidence(self, window: SignalWindow) -> Iterable[Result]:
        """Publish again the alerts that were raised before this window of theirs had come."""
        found: list[Result] = []
        span, judged = LENGTH * window.size, self._judged(window.asset)
        for alert in list(self._book.alerts.values()):
            late = alert.raised - span <= window.start < alert.raised
            late &= judged is not None and judged - alert.raised <= span
            if alert.asset != window.asset or not late or not alert.evidence.tags:
                continue
            weights = dict(zip(alert.evidence.tags, alert.evidence.shares, strict=True))
            evidence = self._evidence(alert.asset, alert.cause, alert.raised, weights)
            if evidence != alert.evidence:
                more = replace(alert, evidence=evidence, revision=alert.revision + 1)
                self._book.put(more)
                found += self._published(more)
        return found

    def _acknowledge(self, word: Acknowledgement) -> Iterable[Result]:
        alert = self._book.acknowledge(word)
        gone = list(self._book.trim_early())
        self._changed |= {("e", name) for name in (word.alert, *gone)}
        return () if alert is None else self._published(alert)

    def _observe(self, seen: Observation) -> Iterable[Result]:
        place = (seen.asset, seen.cause)
        self._changed.add(("c", *place))
        window = self.parameters.window
        changed = self._history(seen.asset).value(
            seen.time // window * window, seen.cause, seen.value
        )
        self._changed |= {("v", seen.asset, str(start), cause) for start, cause in changed}
        condition = self._conditions.setdefault(place, Condition())
        calm = condition.calm
        match condition.observe(seen, self.parameters):
            case Change.BEGUN:
                return self._published(self._book.raise_(self._alert(seen, condition)))
            case Change.OVER:
                since = seen.time if calm is None else calm
                return self._published(self._book.clear(*place, since, seen.time))
        return ()

    def _alert(self, seen: Observation, condition: Condition) -> Alert:
        onset = condition.onset
        assert onset is not None, "what counts has begun"
        name = identity(seen.asset, seen.cause, onset)
        self._changed.add(("e", name))
        weights = dict(zip(seen.tags, seen.shares, strict=False))
        return Alert(
            id=name,
            asset=seen.asset,
            cause=seen.cause,
            severity=seen.severity,
            state=AlertState.RAISED,
            message=seen.message,
            onset=onset,
            raised=seen.time,
            value=condition.worst,
            limit=seen.limit,
            evidence=self._evidence(seen.asset, seen.cause, seen.time, weights),
            watermark=seen.time,
        )

    def _evidence(
        self, asset: str, cause: str, until: int, weights: Mapping[str, float]
    ) -> Evidence:
        units = {tag: self.parameters.units.get((asset, tag), "") for tag in weights}
        return self._history(asset).evidence(cause, until, weights, units)

    def _published(self, alert: Alert) -> list[Result]:
        gone = list(self._book.trim(alert.asset))
        self._changed |= {("a", name) for name in (alert.id, *gone)}
        return [Result(alert.asset, alert)]

    def _history(self, asset: str) -> History:
        return self._histories.setdefault(asset, History())

    def advance(self, time: int) -> Output:
        """Nothing becomes due by the wall clock."""
        del time
        return Output()

    def changes(self) -> Mapping[str, bytes | None]:
        """Rows `meta`, conditions `c`, alerts `a`, early words `e`, windows `w` and values `v`."""
        if not self._anything:
            return {}
        rows: Rows = {META: dump_meta(self)}
        for name in self._changed:
            row = self._row(*name)
            rows[dump(name).decode()] = None if row is None else dump(row)
        self._anything, self._changed = False, set()
        return rows

    def _row(self, kind: str, *name: str) -> Any:
        match kind:
            case "c":
                return self._conditions[name[0], name[1]].dump()
            case "a":
                alert = self._book.alerts.get(name[0])
                return None if alert is None else dump_alert(alert)
            case "e":
                word = self._book.early.get(name[0])
                return None if word is None else [word.time, word.by, word.asset, word.note]
            case "w":
                found = self._histories[name[0]].windows.get((int(name[1]), name[2]))
                if found is None:
                    return None
                version, means = found
                return [version.epoch, version.offsets, version.emission, means]
        return self._histories[name[0]].values.get((int(name[1]), name[2]))

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Become the operator whose `changes`, merged in order, are these rows; of none: a new one.

        Raises:
            StateError: The rows are damaged, or of another format or other parameters.
        """
        other = Alerts(self.parameters)
        _, other.books = load_meta(self, rows)
        other._anything = not rows
        load_rows(rows, lambda where, row: other._load(*json.loads(where), row=row))
        self.__dict__.update(other.__dict__)

    def _load(self, kind: str, *name: str, row: Any) -> None:
        match kind:
            case "c":
                self._conditions[name[0], name[1]] = Condition.load(row)
            case "a":
                self._book.put(load_alert(row))
            case "e":
                time, by, asset, note = row
                self._book.early[name[0]] = Acknowledgement(time, by, name[0], asset, note)
            case "w":
                epoch, offsets, emission, means = row
                version = Version(epoch, tuple(offsets), emission)
                self._history(name[0]).windows[int(name[1]), name[2]] = (version, dict(means))
            case "v":
                self._history(name[0]).values[int(name[1]), name[2]] = float(row)
            case _:
                raise KeyError(kind)
