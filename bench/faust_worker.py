"""The work on plain Faust: one entry of a table per tag and window, logged to a changelog topic.

Argument: a JSON object with the fields of `main`.
"""

import json
import sys
from typing import Any

import faust

from bench.moments_by_hand import Decoder, Watermarks, add, result


def main(
    bootstrap: str, name: str, reads: str, writes: str, schema: str, folder: str, partitions: int
) -> None:
    """Run until SIGTERM."""
    app = faust.App(
        name,
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=folder,
        web_enabled=False,
        topic_partitions=partitions,
        topic_replication_factor=1,
        topic_disable_leader=True,
        producer_linger=0.02,
        producer_compression_type="lz4",
        producer_partitioner=None,
        broker_commit_interval=1.0,
        broker_max_poll_records=2000,
        stream_buffer_maxsize=8192,
        consumer_auto_offset_reset="earliest",
    )
    source = app.topic(reads, value_serializer="raw", key_serializer="raw")
    target = app.topic(writes, value_serializer="raw", key_serializer="raw")
    table = app.Table("cells", partitions=partitions)
    decoder, watermarks = Decoder(schema), Watermarks()

    @app.agent(source)
    async def take(stream: Any) -> None:
        async for message in stream:
            asset, samples = decoder.samples(message)
            for tag, time, x in samples:
                cell = f"{asset}/{tag}/{watermarks.note(asset, tag, time)}"
                table[cell] = add(table.get(cell), x)
            for start, tags in watermarks.due(asset):
                keys = {tag: f"{asset}/{tag}/{start}" for tag in tags}
                cells = {tag: table[key] for tag, key in keys.items()}
                await target.send(key=asset.encode(), value=result(asset, start, cells))
                for key in keys.values():
                    table.pop(key)

    faust.Worker(app, loglevel="warn").execute_from_commandline()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
