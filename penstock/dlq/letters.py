"""Finds the dead letters that nothing was decided about yet."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from confluent_kafka import Message

from penstock.errors import DecodeError, TopicError
from penstock.kafka.client import Headers
from penstock.kafka.dead_letters import PREFIX, Origin, header_texts, headers_of, origin_of
from penstock.kafka.describe import Describer
from penstock.kafka.scan import Bounds, read
from penstock.kafka.topics import DEAD_LETTERS, dead_letters, retries
from penstock.settings.plant import KafkaSettings


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter."""

    origin: Origin
    time: int
    """When it was buried, microseconds since 1970."""
    error: str
    """The class of what was raised."""
    reason: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    """All, ours included."""

    @property
    def key_text(self) -> str:
        """The key for people."""
        return "" if self.key is None else self.key.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are meant; what is None or empty chooses none away."""

    component: str | None = None
    reason: str | None = None
    """Part of the reason or of the error's class, whatever its case."""
    key: str | None = None
    place: str | None = None
    """As `ot.sensors.v1/0@7`."""
    since: int | None = None
    until: int | None = None
    """Buried from one time to before another, microseconds since 1970."""

    def takes(self, letter: Letter) -> bool:
        """Whether a letter is meant."""
        text = f"{letter.error} {letter.reason}".casefold()
        return (
            self.component in {None, letter.origin.component}
            and (self.reason or "").casefold() in text
            and self.key in {None, letter.key_text}
            and self.place in {None, letter.origin.place}
            and (self.since is None or letter.time >= self.since)
            and (self.until is None or letter.time < self.until)
        )


def topics_with_letters(settings: KafkaSettings) -> list[str]:
    """The topics beside which there is one of dead letters.

    Raises:
        KafkaUnavailableError: No broker answers.
    """
    names = Describer(settings).names()
    return sorted(
        name.removesuffix(DEAD_LETTERS)
        for name in names
        if name.endswith(DEAD_LETTERS) and name.removesuffix(DEAD_LETTERS) in names
    )


def read_letters(settings: KafkaSettings, topic: str, choice: Choice) -> list[Letter]:
    """A topic's open dead letters, the oldest first.

    Of a record that a component buried several times only the last letter counts: it was buried
    again when it was read again after a crash, when it was retried, or after a reset.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
    """
    newest: dict[tuple[str, str], Letter] = {}
    name = dead_letters(topic).name
    for letter in _letters(read(settings, name, bounds(settings, name))):
        key = (letter.origin.component, letter.origin.place)
        known = newest.get(key)
        if known is None or _age(known) < _age(letter):
            newest[key] = letter
    settled = set(_origins(settings, topic))
    chosen = [
        letter
        for letter in newest.values()
        if _identity(letter.origin) not in settled and choice.takes(letter)
    ]
    return sorted(chosen, key=lambda letter: (letter.time, letter.origin.place))


def bounds(settings: KafkaSettings, topic: str) -> Bounds:
    """Of each partition of a topic the first offset and the end; empty where there is no topic.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
    """
    describer = Describer(settings)
    try:
        return describer.bounds(topic, range(describer.topic(topic).partitions))
    except TopicError:
        return {}


def _letters(messages: Iterable[Message]) -> Iterator[Letter]:
    for message in messages:
        headers = headers_of(message)
        with suppress(DecodeError):  # somebody else's
            texts = header_texts(headers)
            yield Letter(
                origin=origin_of(headers),
                time=message.timestamp()[1] * 1000,
                error=texts.get(PREFIX + "exception.class.name", "").rpartition(".")[2],
                reason=texts.get(PREFIX + "exception.message", ""),
                key=message.key(),
                value=message.value(),
                headers=headers,
            )


def _origins(settings: KafkaSettings, topic: str) -> Iterator[Origin]:
    """What is settled, by what `_identity` leaves of it."""
    name = retries(topic).name
    for message in read(settings, name, bounds(settings, name)):
        with suppress(DecodeError):
            yield _identity(origin_of(headers_of(message)))


def _identity(origin: Origin) -> Origin:
    """The same for all letters of one failure; doubled ones may differ in nothing else."""
    return replace(origin, stage="")


def _age(letter: Letter) -> tuple[int, int, int]:
    """Epochs of processors are times; those of sinks have no order, so that time decides."""
    epoch = letter.origin.epoch
    return (int(epoch) if epoch.isdigit() else 0, letter.origin.attempt, letter.time)
