"""Anomaly scores of assets, from samples of their signals.

**Rows.** All tags of an asset, from whichever source, are brought to one grid of event time
(`anomalies.aligned`). The row at time t is scored once the asset's watermark has reached t: the
greatest accepted sample time of the asset, less `out_of_order`. A sample is judged by the watermark
before its record. One that comes behind it is booked as late (`LateSamples` of reason "too late"):
scores are never revised. One whose time is beyond its record's ingest time + `clock_ahead` is set
aside and moves no watermark (reason "clock ahead"). While no source of the asset is heard there are
no rows.

**Scores.** `penstock.anomaly.monitor` says what becomes of a row. A machine whose states are
configured is scored while it produces, and not in a setup mode, nor for `settle` after it stood.

**Release.** A sample of the tag `AnomalyRelease` of an asset has it learn anew what is normal, from
the sample's time on. It is no signal, and moves no watermark.

**Known later.** An asset that was heard before the configuration named it was watched as one that
always runs. Once it is named, and has a rule or tags that are no signals, what was learned is
forgotten: a new warm-up begins.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from penstock.anomaly.settings import RELEASE
from penstock.errors import StateError
from penstock.fingerprints import added
from penstock.operator import (
    CLOCK_AHEAD,
    TOO_LATE,
    Books,
    LateSamples,
    Operator,
    Output,
    Result,
    SampleBatch,
)
from schemas import Kind
from streams.operators.anomalies.aligned import SAMPLE
from streams.operators.anomalies.asset import Asset
from streams.operators.anomalies.parameters import AnomalyParameters, WatchedAsset
from streams.operators.rows import META, dump_meta, load_meta
from streams.operators.windows.arrival import arrive
from streams.operators.windows.parameters import NEVER, Size, WindowParameters

_Mask = NDArray[np.bool_]
_UNKNOWN: Final = WatchedAsset()


class AnomalyScores(Operator):
    """Anomaly scores of one partition; the module's docstring says what they mean.

    Args:
        parameters: Grid, detector and tolerances.
    """

    state_format: ClassVar[int] = 2

    def __init__(self, parameters: AnomalyParameters) -> None:
        self.parameters = parameters
        self.books = Books()
        self._arrival = WindowParameters(
            out_of_order=parameters.out_of_order,
            hold=parameters.max_age,
            clock_ahead=parameters.clock_ahead,
            sizes=(Size(parameters.grid, 0),),
        )
        self._assets: list[Asset] = []
        self._ids: dict[str, int] = {}
        self._watermark = np.zeros(0, np.int64)
        self._streams: dict[tuple[str, str], int] = {}
        """The asset of each (asset, source) that was heard."""
        self._changed = True

    @property
    def fingerprint(self) -> str:
        """Name, state format and parameters."""
        return f"anomaly-scores/{self.state_format} {self.parameters.text}"

    def watermarks(self) -> Mapping[tuple[str, str], int]:
        """The asset's watermark, of each of its sources."""
        levels = self._watermark.tolist()
        return {name: levels[one] for name, one in self._streams.items() if levels[one] != NEVER}

    def update(self, batch: SampleBatch) -> Output:
        """Take samples in; gives the scores of the rows that are complete.

        Raises:
            DecodeError: The batch's columns do not fit each other; nothing has changed.
        """
        batch.check()
        if not len(batch):
            return Output()
        self._changed = True
        self.books.samples_in += len(batch)
        asked = self._releases(batch)
        if asked.any():
            self.books.aggregated += int(asked.sum())
        with np.errstate(all="ignore"):  # NaN is an answer here.
            return self._update(batch, np.flatnonzero(~asked))

    def _releases(self, batch: SampleBatch) -> _Mask:
        """Heed what releases assets; gives the mask of such samples."""
        names = [batch.series_names[place] for place in range(len(batch.series_names))]
        asking = np.array([tag == RELEASE for *_, tag in names], np.bool_)[batch.series]
        for place in np.flatnonzero(asking).tolist():
            asset = names[batch.series[place]][0]
            self._asset(asset).release(int(batch.time[place]))
        return asking

    def _update(self, whole: SampleBatch, kept: NDArray[np.int64]) -> Output:
        batch = _part(whole, kept)
        if not len(batch):
            return Output()
        names = [batch.streams[place] for place in range(len(batch.streams))]
        heard = np.unique(batch.stream[batch.record]).tolist()
        owner = np.full(len(names), -1, np.int64)
        for stream in sorted(heard, key=lambda one: names[one]):
            owner[stream] = self._streams[names[stream]] = self._id(names[stream][0])
        arrival = arrive(batch, owner[batch.stream], self._watermark, self._arrival)
        self._watermark[arrival.streams] = arrival.watermark
        lost = self._book(whole, kept, batch, arrival.ahead, arrival.late)
        good = np.ones(len(batch), np.bool_)
        for mask in (arrival.ahead, arrival.late):
            good &= True if mask is None else ~mask
        return Output(self._take(_part(batch, np.flatnonzero(good)), owner, arrival.streams), lost)

    def _take(
        self, batch: SampleBatch, owner: NDArray[np.int64], assets: NDArray[np.int64]
    ) -> list[Result]:
        """Hand the samples to their assets, which are these or fewer."""
        asset = owner[batch.stream[batch.record]]
        order = np.argsort(asset, kind="stable")
        bounds = np.searchsorted(asset[order], [assets, assets + 1]).tolist()
        results = []
        for one, low, high in zip(assets.tolist(), *bounds, strict=True):
            samples = self._samples(batch, order[low:high], self._assets[one])
            scores = self._assets[one].take(samples, int(self._watermark[one]))
            results += [Result(score.asset, score) for score in scores]
        return results

    def _samples(self, batch: SampleBatch, places: NDArray[np.int64], asset: Asset) -> NDArray[Any]:
        """An asset's samples by its own numbers of tags, without those that it does not want."""
        series = batch.series[places]
        tags = np.full(len(batch.series_names), -1, np.int64)
        sources = np.zeros(len(batch.series_names), np.int64)
        # By name: the host numbers names anew after a restart.
        for one in sorted(np.unique(series).tolist(), key=batch.series_names.__getitem__):
            _, source, tag = batch.series_names[one]
            if asset.wants(tag):
                tags[one], sources[one] = asset.aligned.tag(tag), asset.aligned.source(source)
        wanted = tags[series] >= 0
        places, series = places[wanted], series[wanted]
        value = np.where(batch.good[places], batch.value[places], np.nan)
        if len(batch.kind):
            value[batch.kind[places] == Kind.TEXT] = np.nan
        samples = np.empty(len(places), SAMPLE)
        samples["tag"], samples["source"] = tags[series], sources[series]
        samples["time"], samples["value"] = batch.time[places], value
        return samples

    def _book(
        self,
        whole: SampleBatch,
        kept: NDArray[np.int64],
        batch: SampleBatch,
        ahead: _Mask | None,
        late: _Mask | None,
    ) -> list[LateSamples]:
        """Count the samples; gives those that no row holds, as masks of the whole batch."""
        lost, outside = [], np.zeros(len(batch), np.bool_)
        for reason, mask in ((CLOCK_AHEAD, ahead), (TOO_LATE, late)):
            if mask is not None and mask.any():
                everywhere = np.zeros(len(whole), np.bool_)
                everywhere[kept[mask]] = True
                lost.append(LateSamples(everywhere, reason))
                outside |= mask
        bad = int((~batch.good & ~outside).sum())
        self.books.late += int(outside.sum())
        self.books.bad += bad
        self.books.aggregated += len(batch) - int(outside.sum()) - bad
        return lost

    def advance(self, time: int) -> Output:
        """Nothing: of a silent asset there is nothing to say."""
        _ = time
        return Output()

    def changes(self) -> Mapping[str, bytes | None]:
        """The rows that changed: `meta`, and `<asset>/<row>` of each asset."""
        if not self._changed:
            return {}
        self._changed = False
        rows: dict[str, bytes | None] = {META: dump_meta(self)}
        for asset, level in zip(self._assets, self._watermark.tolist(), strict=True):
            if not asset.changed:
                continue
            prefix = quote(asset.name, safe="")
            rows |= {f"{prefix}/{key}": row for key, row in asset.changes().items()}
            heard = [source for name, source in self._streams if name == asset.name]
            rows[f"{prefix}/k"] = json.dumps([level, heard]).encode()
        return rows

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Become the operator whose `changes`, merged in order, are these rows; of none: a new one.

        Raises:
            StateError: The rows are damaged, or of another format or other parameters.
        """
        fingerprint, books = load_meta(self, rows)
        other, news = AnomalyScores(self.parameters), added(fingerprint, self.fingerprint)
        for name, found in _by_asset(rows).items():
            try:
                other._load(name, found)
                if name in news and self.parameters.assets[name] != _UNKNOWN:
                    other._asset(name).forget()
            except (ValueError, KeyError, TypeError, IndexError) as error:
                msg = "this row of state is damaged or of another operator"
                raise StateError(msg, where=name, remedy="reset the processor") from error
        self.__dict__.update(other.__dict__)
        self.books = books
        self._changed = not rows or any(asset.changed for asset in self._assets)

    def _load(self, name: str, rows: Mapping[str, bytes]) -> None:
        asset = self._asset(name)
        asset.load(rows)
        level, heard = json.loads(rows["k"])
        self._watermark[self._ids[name]] = level
        self._streams |= {(name, source): self._ids[name] for source in heard}

    def _asset(self, name: str) -> Asset:
        return self._assets[self._id(name)]

    def _id(self, name: str) -> int:
        """The number of an asset, a new one if it was never seen."""
        known = self._ids.setdefault(name, len(self._assets))
        if known == len(self._assets):
            found = self.parameters.assets.get(name, _UNKNOWN)
            self._assets.append(Asset(name, found, self.parameters))
            self._watermark = np.append(self._watermark, NEVER)
        return known


def _part(batch: SampleBatch, places: NDArray[np.int64]) -> SampleBatch:
    """The samples at these places, with all records."""
    if len(places) == len(batch):
        return batch
    columns = {name: getattr(batch, name)[places] for name in ("record", "series", "time")}
    kind = batch.kind[places] if len(batch.kind) else batch.kind
    return replace(batch, **columns, value=batch.value[places], good=batch.good[places], kind=kind)


def _by_asset(rows: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {}
    for key, row in rows.items():
        if key != META:
            name, _, rest = key.partition("/")
            found.setdefault(unquote(name), {})[rest] = row
    return found
