"""The writer schemas of the ids in records, learned without blocking the event loop."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from penstock.codec.wire import unframe
from penstock.errors import DecodeError, UnknownSchemaError
from penstock.kafka.registry import Registry
from streams.host.record import Record


class SchemaIds:
    """Remembers what the registry said; a known id never waits for it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[int, str] = {}

    def known(self, ids: Iterable[int]) -> bool:
        """Whether nobody needs to be asked."""
        return all(schema_id in self._known for schema_id in ids)

    @property
    def schemas(self) -> Mapping[int, str]:
        """The schema of each known id."""
        return self._known

    async def resolve(self, ids: Iterable[int]) -> dict[int, str | UnknownSchemaError]:
        """The schema of each id; an id that there is none of is asked for again the next time.

        Raises:
            RegistryUnavailableError: The registry does not answer.
        """
        found: dict[int, str | UnknownSchemaError] = {}
        for schema_id in ids:
            if schema_id not in self._known:
                try:
                    schema = await asyncio.to_thread(self._registry.schema, schema_id)
                except UnknownSchemaError as error:
                    found[schema_id] = error
                    continue
                self._known[schema_id] = schema
            found[schema_id] = self._known[schema_id]
        return found


def schema_ids(records: Sequence[Record]) -> set[int]:
    """The ids of the schemas that records were written with."""
    ids = set()
    for prefix in {record.value[:5] for record in records if record.value}:
        try:
            ids.add(unframe(prefix)[0])
        except DecodeError:  # `process` finds it again
            continue
    return ids
