"""Parameters of anomaly scores; durations in microseconds."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from functools import cached_property
from typing import Any

from penstock.anomaly.settings import MonitorSettings
from penstock.detector import Detector, DetectorSettings
from penstock.fingerprints import with_parts
from penstock.work_units import Rule as SignalRule


@dataclass(frozen=True, slots=True)
class Rule:
    """When a machine does what it is for.

    Args:
        state: Tag of its state; without one `signal` decides.
        producing: Codes of the state in which it produces.
        mode: Tag of its mode; empty: it has none.
        setup_modes: Codes of the mode in which it is set up.
        signal: What is compared, where it has no state.
    """

    state: str = ""
    producing: frozenset[int] = frozenset()
    mode: str = ""
    setup_modes: frozenset[int] = frozenset()
    signal: SignalRule | None = None

    @property
    def tags(self) -> frozenset[str]:
        """What it looks at."""
        signal = self.signal.tag if self.signal else ""
        return frozenset({self.state, self.mode, signal}) - {""}

    @property
    def text(self) -> list[Any]:
        """All of it."""
        codes = [sorted(self.producing), sorted(self.setup_modes)]
        return [self.state, self.mode, *codes, self.signal and astuple(self.signal)]


@dataclass(frozen=True, slots=True)
class WatchedAsset:
    """What is known of an asset beforehand.

    Args:
        others: Its tags that are no signals.
        rule: When it runs; None: always.
        enabled: Whether it is watched.
    """

    others: frozenset[str] = frozenset()
    rule: Rule | None = None
    enabled: bool = True


@dataclass(frozen=True)
class AnomalyParameters:
    """What decides about scores.

    Args:
        grid: From one row to the next.
        max_age: A value counts no more once its source has been silent for longer.
        settle: How long after a standstill a machine is still held to be in setup.
        out_of_order: How far samples of an asset may overtake each other.
        clock_ahead: A sample further ahead of its record's ingest time than this is set aside.
        detector: Name of the detector.
        make: Makes a detector.
        options: The detector's own settings.
        monitor: Learning and alarms.
        assets: What is known of assets beforehand, by full path.
    """

    grid: int
    max_age: int
    settle: int
    out_of_order: int
    clock_ahead: int
    detector: str
    make: Callable[[DetectorSettings, int], Detector]
    options: DetectorSettings
    monitor: MonitorSettings
    assets: Mapping[str, WatchedAsset] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """All of it, for fingerprints."""
        assets = {
            name: json.dumps([sorted(one.others), one.rule and one.rule.text, one.enabled])
            for name, one in self.assets.items()
        }
        delays = [self.out_of_order, self.clock_ahead]
        return with_parts(json.dumps([*self._scoring, *delays], separators=(",", ":")), assets)

    @cached_property
    def hash(self) -> str:
        """Of what makes scores comparable: detector, learning and grid."""
        return hashlib.sha256(json.dumps(self._scoring).encode()).hexdigest()[:12]

    @property
    def _scoring(self) -> list[Any]:
        durations = [self.grid, self.max_age, self.settle]
        models = [self.options.model_dump(mode="json"), self.monitor.model_dump(mode="json")]
        return [self.detector, *durations, *models]
