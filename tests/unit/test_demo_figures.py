"""The demo's figures count what processes that were killed had counted."""

from pathlib import Path

import pytest

from penstock.demo import figures
from penstock.demo.figures import Figures
from penstock.demo.scrape import Scrape
from penstock.runtime.process import Component

WORKER = Component("processor", "window-statistics")
BUCKET = "penstock_end_to_end_seconds_bucket"
SAMPLES = "penstock_processor_samples_total"


def scraped(pid: int, fast: float, slow: float) -> Scrape:
    """Of a worker with samples that took below 0.1 s, and others that took 5 to 10 s."""
    buckets = {"0.1": fast, "5.0": fast, "10.0": fast + slow, "+Inf": fast + slow}
    values = {(BUCKET, bound): count for bound, count in buckets.items()}
    return Scrape({**values, (SAMPLES, ""): fast + slow}, {}, {"ready": True, "pid": pid})


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Scrape]:
    found: list[Scrape] = []
    monkeypatch.setattr(figures, "scrape", lambda _note: found.pop(0))
    return found


def test_the_delay_is_the_quantile_over_all_lives_of_a_worker(
    tmp_path: Path, answers: list[Scrape]
) -> None:
    shown = Figures(tmp_path, iter(range(100)).__next__)
    # The second life has counted more than the first one by the time it is first scraped.
    for answer in (scraped(1, 50, 50), Scrape(), scraped(2, 200, 0), scraped(2, 900, 0)):
        answers.append(answer)
        (row,) = shown.rows([WORKER])
        assert row.samples_per_s in (0.0, 700.0)
    assert shown.total(SAMPLES) == 1000
    delay = shown.delay(0.99)
    assert delay is not None and delay > 5.0, "the 50 slow ones of the killed worker count"
    assert shown.delay(0.5) == pytest.approx(0.1 * 500 / 950)
