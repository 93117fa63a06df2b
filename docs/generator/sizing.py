"""The page of sizes: how much a number of tags needs."""

import inspect
import re
from dataclasses import fields

from generator.markdown import code, table
from penstock.cli.size import COLUMNS, row
from penstock.sizing import Figures, Load, busiest_share, size
from penstock.units import format_duration

TAGS = (10_000, 100_000, 1_000_000)
TEXT = """# How much a number of tags needs

`penstock size` works this out, for your own numbers too:

```sh
penstock size --tags 250000 --every "500 ms" --tags-per-asset 40 --window "10 s" --window "1 h"
```

**This is arithmetic, not a test.** The figures below were measured on one machine with two cores,
on which the broker and the generator ran beside the workers; larger installations were not run.
Take it to order machines for a trial, then measure.

"""
NOTES = """- **Connector cores**: of all OPC UA connectors together, each a process of its own.
  20,000 samples a second is a good most for one.
- **Workers** are those of `window-statistics`, at most half of whose time is used. Other processors
  were not measured: begin with one worker each, and watch their lag.
- **Partitions**: twice as many as workers or more, since they cannot be added later.
- **Broker**: samples and window statistics, without state, alerts and KPIs. Written is with all
  replicas; samples are read once by each processor and sink that wants them.
- **Catches up 1 h in**: after all workers were away for an hour.
- **Between sites**: what of this goes over a line to a centre is in
  [Mirror sites to a centre](../how-to/edge-to-centre.md#when-it-pays).

## How evenly assets fall

All samples of an asset are in one partition, by the hash of its name. Dealt out as Kafka does, on
six partitions per worker, the busiest worker gets, as a multiple of an even share:
"""


def sizing() -> str:
    """Table, assumptions, and where each figure is from."""
    load = Load(TAGS[0])
    windows = " and ".join(format_duration(window) for window in load.windows)
    rows = [row(Load(tags), size(Load(tags))) for tags in TAGS]
    flipped = [
        [name, *(f"{found[i]:,}" if isinstance(found[i], int) else found[i] for found in rows)]
        for i, name in enumerate(COLUMNS)
    ]
    shares = [
        [f"{assets:,}", *(f"{busiest_share(assets, 6 * n, n):.2f} ×" for n in (2, 4, 8, 16))]
        for assets in (20, 100, 1_000, 10_000)
    ]
    kept, long = format_duration(load.kept), format_duration(load.features_kept)
    return "\n".join([
        f"{TEXT}Each tag is sampled every {format_duration(load.every)}, {load.tags_per_asset} "
        f"tags of an asset together; windows of {windows}; {load.replication} replicas; samples "
        f"are kept for {kept}, windows for {long}.\n",
        table(flipped[0], flipped[1:]),
        NOTES,
        table(["assets", *(f"{n} workers" for n in (2, 4, 8, 16))], shares),
        "Few assets are spread badly, however many workers there are.\n",
        "## Where the figures are from\n",
        table(["figure", "value", "what it is"], _figures()),
    ])  # fmt: skip


def _figures() -> list[list[str]]:
    """Each field with the text below it."""
    found = re.findall(r'^    (\w+): .*?\n    """(.*?)"""', inspect.getsource(Figures), re.M | re.S)
    texts = {name: " ".join(text.split()) for name, text in found}
    return [
        [code(one.name), str(getattr(Figures(), one.name)), texts[one.name]]
        for one in fields(Figures)
    ]
