"""The processor `window-statistics`: sensor events in, statistics of their windows out."""

from functools import lru_cache
from typing import Any, ClassVar

from penstock.codec import avro_write as write
from penstock.operator import Operator, Result
from penstock.processor import Input, Processor
from penstock.settings.plant import Windows
from penstock.units import microseconds
from schemas import Version, WindowStatistics
from streams.operators import window_statistics
from streams.operators.windows.parameters import Size, WindowParameters


@lru_cache(maxsize=1 << 14)
def _named(asset: str, source: str) -> bytes:
    return write.string(asset) + write.string(source)


_long = lru_cache(maxsize=1 << 12)(write.long)
"""Of times and offsets, which many results share."""


@lru_cache(maxsize=1 << 12)
def _tags(tags: tuple[str, ...]) -> bytes:
    return write.strings(tags)


def window_parameters(windows: Windows) -> WindowParameters:
    """The plant's windows as operators take them."""
    sizes = [
        Size(
            size=microseconds(size),
            reopen_for=microseconds(one.reopen_for),
            every=None if one.every is None else microseconds(one.every),
            out_of_order=None if one.out_of_order is None else microseconds(one.out_of_order),
        )
        for size, one in sorted(windows.sizes.items(), key=lambda item: item[0])
    ]
    return WindowParameters(
        out_of_order=microseconds(windows.out_of_order),
        hold=microseconds(windows.hold),
        clock_ahead=microseconds(windows.clock_ahead),
        sizes=tuple(sizes),
    )


class WindowStatisticsProcessor(Processor):
    """Publishes `WindowStatistics` of every asset, source and size of the plant's `windows`."""

    name: ClassVar[str] = "window-statistics"
    reads: ClassVar[tuple[Input, ...]] = (Input("ot.sensors.v1"),)
    writes: ClassVar[str] = "ot.features.v1"
    record: ClassVar[str] = "WindowStatistics"
    identity: ClassVar[tuple[str, ...]] = ("asset", "source", "window_start", "window_size")

    def operator(self) -> Operator:
        """A new operator with the plant's windows."""
        return window_statistics.WindowStatistics(window_parameters(self.plant.windows))

    def to_avro(self, result: Result, version: Version) -> dict[str, Any]:
        """The datum of `window_statistics.avsc`."""
        found: WindowStatistics = result.record
        return {
            "asset": found.asset,
            "source": found.source,
            "window_start": found.window_start,
            "window_size": found.window_size,
            "watermark": found.watermark,
            "revision": found.revision,
            "version": {
                "epoch": version.epoch,
                "offsets": list(version.offsets),
                "emission": version.emission,
            },
            "tags": list(found.tags),
            **dict(zip(found.COUNTS, found.counts.tolist(), strict=True)),
            **dict(zip(found.FIGURES, found.figures.tolist(), strict=True)),
        }

    def encode(self, result: Result, version: Version) -> bytes:
        """The Avro body: its columns as they lie in memory."""
        found: WindowStatistics = result.record
        return b"".join(
            (
                _named(found.asset, found.source),
                _long(found.window_start),
                _long(found.window_size),
                _long(found.watermark),
                write.long(found.revision),
                _long(version.epoch),
                _long(len(version.offsets)),
                *map(_long, version.offsets),
                b"\0" if version.offsets else b"",
                write.long(version.emission),
                _tags(found.tags),
                write.int_rows(found.counts),
                write.double_rows(found.figures),
            )
        )
