"""Feeds an operator of alerts with scores, windows and acknowledgements."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from penstock.operator import RecordBatch
from penstock.testing.records import RecordFeed
from schemas import AnomalyScore, Version

_MUCH_LATER: Final = 10**12


def score(asset: str, time: int, p_value: float, *, alarm: bool, **more: Any) -> AnomalyScore:
    """A score with a threshold of 0.01, and otherwise as `more` says."""
    found = AnomalyScore(
        asset=asset, source="", time=time, detector="pca", parameters="x", watermark=time,
        revision=1, state="alarm" if alarm else "ok", learning="learned", score=1.0,
        p_value=p_value, alarm=alarm, alarm_since=None, threshold=0.01, statistics=("t2",),
        values=(1.0,), tags=("oil", "current"), contributions=(0.75, 0.25), missing=(),
        version=Version(1, (time,), 1),
    )  # fmt: skip
    return replace(found, **more)


class AlertFeed(RecordFeed):
    """Makes batches for the operator `alerts`."""

    def closing(self, records: Sequence[Any]) -> list[AnomalyScore]:
        """Scores, much later than all others, that end every anomaly."""
        scores = [one for one in records if isinstance(one, AnomalyScore)]
        end = max((one.time for one in scores), default=0)
        assets = sorted({one.asset for one in scores})
        times = [end + _MUCH_LATER, end + 2 * _MUCH_LATER]  # beyond every off-delay
        return [score(asset, time, 1.0, alarm=False) for asset in assets for time in times]

    def broken(self, batch: RecordBatch) -> Iterator[RecordBatch]:
        """Batches that hold what is none of these."""
        for record in batch.records:
            yield replace(batch, records=({},))
            yield replace(batch, records=(record, None))

    def shuffled(
        self, records: Sequence[Any], out_of_order: int, source: random.Random
    ) -> tuple[list[Any], list[Any]]:
        """Assets overtake each other; of one asset the order is kept, as in a partition."""
        del out_of_order
        waiting: dict[str, list[Any]] = {}
        for record in records:
            waiting.setdefault(record.asset, []).append(record)
        found: list[Any] = []
        while waiting:
            asset = source.choice(sorted(waiting))
            found.append(waiting[asset].pop(0))
            if not waiting[asset]:
                del waiting[asset]
        return list(records), found
