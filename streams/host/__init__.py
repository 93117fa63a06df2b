"""The stream host: runs processors over Kafka, with state that counts every record once.

It is the one place that knows Faust. `transport` feeds batches, `partition` turns records into
results and books, `snapshots` stores state in fenced transactions, `restore` takes it over.
"""

from streams.host.host import HostSettings
from streams.host.worker import serve

__all__ = ["HostSettings", "serve"]
