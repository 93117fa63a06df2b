"""What all feeds of whole records, which are no samples, have in common."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from penstock.operator import RecordBatch


class RecordFeed:
    """Makes batches of records that the host does not look into: it drops no duplicates."""

    host_drops_duplicates: ClassVar[bool] = False

    def batch(self, records: Sequence[Any], first: int, step: int = 1) -> RecordBatch:
        """The batch of consecutive records, the offset of the first, and from one to the next."""
        offsets = first + step * np.arange(len(records), dtype=np.int64)
        return RecordBatch(tuple(records), offsets)
