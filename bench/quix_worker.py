"""The work on Quix Streams: one cell of state per tag and window, logged to a changelog topic.

Runs in an environment of its own. Argument: a JSON object with the fields of `main`.
"""

import json
import sys
from typing import Any

from quixstreams import Application  # type: ignore[import-not-found]  # in its own environment
from quixstreams.models import TopicConfig  # type: ignore[import-not-found]  # as above

from bench.moments_by_hand import Decoder, Watermarks, add, result

SHARED = {"compression.type": "lz4", "linger.ms": 20, "partitioner": "murmur2_random"}


def main(
    bootstrap: str, name: str, reads: str, writes: str, schema: str, folder: str, partitions: int
) -> None:
    """Run until SIGTERM."""
    app = Application(
        broker_address=bootstrap,
        consumer_group=name,
        auto_offset_reset="earliest",
        state_dir=folder,
        commit_interval=1.0,
        loglevel="WARNING",
        producer_extra_config=SHARED,
        auto_create_topics=True,
        topic_create_timeout=60,
    )
    config = TopicConfig(num_partitions=partitions, replication_factor=1)
    source = app.topic(reads, value_deserializer="bytes", key_deserializer="str", config=config)
    target = app.topic(writes, value_serializer="bytes", key_serializer="str", config=config)
    decoder, watermarks = Decoder(schema), Watermarks()

    def take(value: Any, state: Any) -> list[bytes]:
        asset, samples = decoder.samples(value)
        for tag, time, x in samples:
            cell = f"{tag}/{watermarks.note(asset, tag, time)}"
            state.set(cell, add(state.get(cell), x))
        results = []
        for start, tags in watermarks.due(asset):
            results.append(result(asset, start, {tag: state.get(f"{tag}/{start}") for tag in tags}))
            for tag in tags:
                state.delete(f"{tag}/{start}")
        return results

    app.dataframe(source).apply(take, stateful=True, expand=True).to_topic(target)
    app.run()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
