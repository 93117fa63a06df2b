"""What is said where gaps cannot be filled."""

from unittest.mock import patch

from connectors.opcua.gaps import Gaps
from connectors.opcua.history import Limits
from penstock.connector import Meter


async def test_a_server_that_does_not_answer_is_named_as_the_reason() -> None:
    meter = Meter()
    gaps = Gaps(["press force"], meter, backfill=10)
    gaps.note([(0, 1, 5)])
    with patch.object(Limits, "of", side_effect=TimeoutError):
        await gaps.fill(None, {}, None)  # type: ignore[arg-type]  # nothing is asked of them
    assert meter.last_error == "gaps are not filled yet: no answer in time"
    assert len(gaps) == 1
