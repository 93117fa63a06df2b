"""Results that wait for the snapshot that they are of, and lie in it until Kafka has them.

With several inputs, records of different topics come in another order after a crash, and what was
found on the way may differ: only what is of a stored state may be seen. Whoever restores the state
publishes its outbox again; the results have the same versions then.
"""

import base64
import json
from collections.abc import Sequence

from penstock.errors import StateError
from streams.host.outputs import Outgoing


def dump_outbox(messages: Sequence[Outgoing]) -> bytes | None:
    """As a row of state; None for no messages.

    >>> load_outbox(dump_outbox([Outgoing("t", b"k", None, [("h", b"1")])]), "state[0]")
    [Outgoing(topic='t', key=b'k', value=None, headers=[('h', b'1')])]
    """
    found = [
        [one.topic, _text(one.key), _text(one.value), [[n, _text(v)] for n, v in one.headers]]
        for one in messages
    ]
    return json.dumps(found, separators=(",", ":")).encode() if found else None


def load_outbox(row: bytes | None, where: str) -> list[Outgoing]:
    """The inverse of `dump_outbox`.

    Raises:
        StateError: The row is damaged.
    """
    try:
        return [
            Outgoing(topic, _bytes(key), _bytes(value), [(n, _bytes(v)) for n, v in headers])
            for topic, key, value, headers in json.loads(row or b"[]")
        ]
    except (ValueError, TypeError) as error:
        msg = f"results that wait to be published cannot be read: {error!r}"
        raise StateError(msg, where=where, remedy="reset the processor") from error


def _text(data: bytes | str | None) -> str | None:
    data = data.encode() if isinstance(data, str) else data
    return None if data is None else base64.b64encode(data).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)
