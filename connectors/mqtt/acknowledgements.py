"""Acknowledges messages to the broker in the order in which they came (MQTT 5.0, 4.6)."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class _Batch:
    acknowledge: Callable[[], None]
    kept: bool = False


class Acknowledgements:
    """Batches that Kafka may have in another order than they were read in.

    A batch is acknowledged once Kafka has it and all before it, also those of an earlier
    connection: what the broker then sends again is not acknowledged before its first copy is safe.
    """

    def __init__(self) -> None:
        self._batches: deque[_Batch] = deque()

    def expect(
        self, acknowledge: Callable[[Sequence[int]], None], numbers: Sequence[int]
    ) -> Callable[[], None]:
        """What to call once Kafka has a batch.

        Args:
            acknowledge: Acknowledges packet identifiers on the connection that they came by.
            numbers: The batch's packet identifiers.
        """
        batch = _Batch(lambda: acknowledge(numbers))
        self._batches.append(batch)

        def kept() -> None:
            batch.kept = True
            while self._batches and self._batches[0].kept:
                self._batches.popleft().acknowledge()

        return kept
