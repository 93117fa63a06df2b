"""From messages with JSON payloads to samples. Pure."""

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from connectors.mqtt.mapping import Target, targets
from connectors.mqtt.message import Message
from connectors.mqtt.paths import MISSING
from connectors.mqtt.payloads import Payloads
from connectors.mqtt.settings import MappingSettings
from connectors.mqtt.values import to_quality, to_time, to_value
from penstock.connector import Meter, Sample
from penstock.quality import (
    BAD_DATA_ENCODING_INVALID,
    GOOD,
    UNCERTAIN,
    UNCERTAIN_LAST_USABLE_VALUE,
    is_good,
)
from penstock.settings.tags import Tag


class JsonPayloads(Payloads):
    """Turns messages into samples; remembers each tag's last time, to know what is sent again.

    Args:
        mapping: Where payloads keep what.
        tags: The source's tags.
        meter: Counts payloads that cannot be used.

    Raises:
        ConfigurationError: A tag's address or type cannot be used.
    """

    def __init__(self, mapping: MappingSettings, tags: Sequence[Tag], meter: Meter) -> None:
        self._mapping = mapping
        self._meter = meter
        self._targets: defaultdict[str, list[Target]] = defaultdict(list)
        for target in targets(tags, mapping):
            self._targets[target.topic].append(target)
        self._last: dict[tuple[str, str], tuple[int, int]] = {}
        """Each tag's last source time and when it came in."""

    @property
    def filters(self) -> list[str]:
        """What to subscribe to."""
        return list(self._targets)

    def tags(self, topic_filter: str) -> list[Tag]:
        """The tags whose values come under a topic."""
        return [target.tag for target in self._targets.get(topic_filter, ())]

    def samples(self, message: Message) -> list[Sample]:
        """The samples in a message; bad ones for all tags of its topic where it is malformed."""
        found = self._targets.get(message.topic)
        if found is None or not message.payload:  # without one, a retained message is removed
            return []
        if message.retained and self._mapping.retained == "skip":
            return []
        try:
            data = json.loads(message.payload)
        except (ValueError, RecursionError) as error:
            return self._not_json(message, found, error)
        samples = [sample for target in found for sample in self._of(target, data, message)]
        if message.retained or message.repeated:
            return [news for one in samples if (news := self._news(one, message))]
        return samples

    def _not_json(
        self, message: Message, found: Sequence[Target], error: Exception
    ) -> list[Sample]:
        """A plain text where one is wanted; else the message is malformed."""
        samples = []
        for target in found:
            tag = target.tag
            value: float | str = math.nan
            quality = BAD_DATA_ENCODING_INVALID
            if tag.type == "string" and not target.value.text:
                try:
                    value, quality = message.payload.decode(), self._quality(GOOD, message)
                except UnicodeDecodeError:
                    pass
            samples.append(Sample(tag.asset, tag.tag, value, message.received, quality=quality))
        if any(not is_good(sample.quality) for sample in samples) and not message.retained:
            start = message.payload[:40]
            self._fail(f"topic {message.topic}: {start!r} is no JSON ({error})")
        return samples

    def _of(self, target: Target, data: Any, message: Message) -> list[Sample]:
        """One tag's samples in a payload; none where it does not have them."""
        raw = target.value.find(data)
        if raw is MISSING:
            return []
        if not target.value.many:
            time = None if target.time is None else target.time.find(data)
            quality = MISSING if target.quality is None else target.quality.find(data)
            return [self._sample(target, raw, time, quality, message)]
        times = _times(target, data, len(raw))
        words = _words(target, data, len(raw))
        if times is None or words is None:
            self._fail(f"topic {message.topic}: not as many times or qualities of {target.tag.tag} "
                       f"as its {len(raw)} values")  # fmt: skip
            bad = BAD_DATA_ENCODING_INVALID
            return [Sample(target.tag.asset, target.tag.tag, math.nan, message.received, None, bad)]
        return [
            self._sample(target, *columns, message)
            for columns in zip(raw, times, words, strict=True)
            if columns[0] is not MISSING
        ]

    def _sample(self, target: Target, raw: Any, time: Any, word: Any, message: Message) -> Sample:
        tag = target.tag
        value, quality = to_value(raw, tag)
        if quality < 0:  # severity bad
            self._fail(f"topic {message.topic}: {raw!r} is no value for {tag.tag}"[:200])
        if word is not MISSING and is_good(quality):
            quality = to_quality(word, self._mapping.good)
        source_time = message.received
        if target.time is not None:
            known = to_time(time, self._mapping.time_unit)
            if known is None:
                self._fail(f"topic {message.topic}: {time!r} is no time of {tag.tag}"[:200])
                quality = UNCERTAIN if is_good(quality) else quality
            else:
                source_time = known
                if not message.retained and not message.repeated:
                    self._last[tag.asset, tag.tag] = known, message.received
        quality = self._quality(quality, message)
        return Sample(tag.asset, tag.tag, value, source_time, None, quality)

    def _quality(self, quality: int, message: Message) -> int:
        """A retained value may have changed long ago: it is uncertain, unless told otherwise."""
        if message.retained and is_good(quality) and self._mapping.retained == "uncertain":
            return UNCERTAIN_LAST_USABLE_VALUE
        return quality

    def _news(self, sample: Sample, message: Message) -> Sample | None:
        """A retained or repeated sample if it was not given before.

        A retained one that was, and counts as good, says that the value has held all the time: it
        is given once more at the time of the new subscription, on the source's clock.
        """
        if sample.source_time == message.received:
            return sample
        key = (sample.asset, sample.tag)
        known, received = self._last.get(key, (-1, 0))
        if sample.source_time > known:
            self._last[key] = sample.source_time, message.received
            return sample
        if message.retained and self._mapping.retained == "good" and sample.source_time == known:
            return sample._replace(source_time=known + message.received - received)
        return None

    def _fail(self, message: str) -> None:
        self._meter.errors += 1
        self._meter.last_error = message


def _times(target: Target, data: Any, count: int) -> list[Any] | None:
    """A time for each value of an array; None where there are not as many."""
    found = MISSING if target.time is None else target.time.find(data)
    if target.time is not None and target.time.many:
        return found if isinstance(found, list) and len(found) == count else None
    return [found] if count == 1 else ([] if count == 0 else None)


def _words(target: Target, data: Any, count: int) -> list[Any] | None:
    """A quality for each value of an array: each its own, or one for all, or none."""
    found = MISSING if target.quality is None else target.quality.find(data)
    if target.quality is not None and target.quality.many:
        return found if isinstance(found, list) and len(found) == count else None
    return [found] * count
