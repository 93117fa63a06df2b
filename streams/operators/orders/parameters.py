"""Parameters of the operator of orders, times in microseconds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.fingerprints import with_parts


@dataclass(frozen=True, slots=True)
class OrderParameters:
    """What plans are made from.

    Args:
        keep: How far behind the newest order one is kept, and can change.
        run_times: Seconds per piece by product, of each asset, and of each serial line those of its
            constraint; of the empty product: of every other.
    """

    keep: int
    run_times: Mapping[str, Mapping[str, float]]

    def run_time(self, unit: str, product: str) -> float | None:
        """Seconds per piece of a product at an asset or line; None if nobody said."""
        known = self.run_times.get(unit, {})
        return known.get(product, known.get(""))

    @property
    def text(self) -> str:
        """All parameters in one line: equal texts, equal results."""
        times = {unit: json.dumps(sorted(found.items())) for unit, found in self.run_times.items()}
        return with_parts(f"keep={self.keep}", times)
