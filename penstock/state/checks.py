"""Whether stored state is of this deployment, this operator, and the records that a topic holds."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from penstock.errors import StateError
from penstock.fingerprints import difference
from penstock.operator import Operator
from penstock.state.checkpoint import InputState, Meta, Source

_ANEW: Final = "reset the processor to start anew from what its topics hold"


def verify(
    meta: Meta,
    *,
    sources: Sequence[Source],
    operator: Operator[Any],
    environment: str,
    ends: Mapping[str, int],
    partitions: int,
    state_topic: str,
) -> None:
    """Check that state may be gone on with.

    Kafka's consumers would silently begin anew at an offset that the topic does not have.

    Args:
        meta: Of the state.
        sources: The partitions as they are now.
        operator: A new one, of today's parameters.
        environment: The deployment that wants the state.
        ends: Of each topic the next offset to be written to the partition.
        partitions: Of each topic.
        state_topic: For the error.

    Raises:
        StateError: It may not.
    """
    where = f"{state_topic}[{meta.partition}]"
    _verify_owner(meta, environment, where)
    _verify_operator(meta, operator, where)
    if set(meta.inputs) != {source.topic for source in sources}:
        read, now = ", ".join(meta.inputs), ", ".join(source.topic for source in sources)
        msg = f"the state is of other topics ({read}; now {now})"
        raise StateError(msg, where=where, remedy=_ANEW)
    verify_partitions(meta, partitions, where)
    for source in sources:
        _verify_input(meta.inputs[source.topic], source, ends[source.topic], where)


def verify_partitions(meta: Meta, partitions: int, where: str) -> None:
    """Check that keys have not moved to other partitions since state was stored.

    Raises:
        StateError: They have.
    """
    if meta.partitions and meta.partitions != partitions:
        read = ", ".join(meta.inputs)
        msg = f"the state is of {meta.partitions} partitions, {read} has {partitions}: keys moved"
        raise StateError(msg, where=where, remedy=_ANEW)


def no_place(reads: str, state_topic: str, partitions: int) -> StateError:
    """Where a topic has more partitions than its state."""
    msg = f"{reads} has more partitions than the {partitions} of the processor's state"
    return StateError(
        msg, where=state_topic, remedy="keys have moved: delete the state topic to start anew"
    )


def _verify_input(found: InputState, source: Source, end: int, where: str) -> None:
    if found.topic_id != source.topic_id:
        msg = f"the state is of another topic {source.topic}: it was deleted and created again"
        raise StateError(msg, where=where, remedy=_ANEW)
    if found.offset > end:
        msg = f"the state goes up to offset {found.offset}, but {source} ends at {end}"
        raise StateError(msg, where=where, remedy=f"{source.topic} lost records; {_ANEW}")


def _verify_owner(meta: Meta, environment: str, where: str) -> None:
    if meta.environment and meta.environment != environment:
        msg = f"the state belongs to environment {meta.environment!r}, this is {environment!r}"
        raise StateError(
            msg, where=where,
            remedy=f"is it the same plant? Set 'environment' to {meta.environment!r}, or reset the "
            "processor; two at a time need a Kafka each",
        )  # fmt: skip


def _verify_operator(meta: Meta, operator: Operator[Any], where: str) -> None:
    if meta.state_format > operator.state_format:
        msg = (
            f"the state was written by a newer release ({meta.release}, operator's format "
            f"{meta.state_format}; this one reads up to {operator.state_format})"
        )
        raise StateError(msg, where=where, remedy="finish the roll-out, or reset the processor")
    if not operator.reads(meta.operator):
        msg = f"the state is {difference(meta.operator, operator.fingerprint)}"
        raise StateError(msg, where=where, remedy="restore the parameters, or reset the processor")
