"""Dead letters: what cannot be decoded or processed, byte for byte, with the reason.

The header names are Kafka Connect's (`DeadLetterQueueReporter`): its users' tools read them.
"""

import traceback
from typing import Final

PREFIX: Final = "__connect.errors."


def headers(
    *, topic: str, partition: int, offset: int, component: str, stage: str, error: BaseException
) -> list[tuple[str, str | bytes | None]]:
    """What is known of a failure, for the headers of its dead letter.

    Args:
        topic: Where the record was read.
        partition: Of that topic.
        offset: In that partition.
        component: The processor or sink that could not take it.
        stage: `VALUE_CONVERTER` where decoding failed, `TRANSFORMATION` where processing did.
        error: What was raised.
    """
    fields = {
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "connector.name": component,
        "task.id": 0,
        "stage": stage,
        "class.name": component,
        "exception.class.name": f"{type(error).__module__}.{type(error).__qualname__}",
        "exception.message": error,
        "exception.stacktrace": "".join(traceback.format_exception(error)),
    }
    return [(PREFIX + name, str(value).encode()) for name, value in fields.items()]
