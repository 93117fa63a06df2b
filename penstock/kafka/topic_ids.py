"""Whether a position is of the topic that there is now: one that is created anew has another id.

Kafka's clients go on with such a topic as if it were the old one. Where it has grown past the
position, all that lies before would be skipped in silence.
"""

from typing import Final

from penstock.errors import TopicError
from penstock.kafka.client import Place

_REMEDY: Final = "give the sink another name: 'A topic was created anew' in docs/how-to/runbook.md"


def refuse_another(place: Place, offset: int, *, known: object, now: object) -> None:
    """Refuse to go on from a position that is of another topic of the same name.

    Args:
        place: The partition.
        offset: The position: the next offset to read.
        known: The id that is kept with it, or what stands for it; none where an older release
            wrote it, or nobody says which topic it is now: then it is taken as it is.
        now: Of the topic that there is.

    Raises:
        TopicError: It is of another topic.
    """
    if known and now and known != now:
        topic, partition = place
        msg = f"the topic was deleted and created again since it was read to {offset}"
        raise TopicError(msg, where=f"{topic}/{partition}", remedy=_REMEDY)
