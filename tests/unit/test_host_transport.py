"""What a worker's consumer takes of the user's `kafka.options`."""

import pytest

from penstock.errors import ConfigurationError
from streams.host.transport import FETCH, _fetch


def test_fetches_are_as_the_user_says_or_as_usual() -> None:
    assert _fetch({"linger.ms": "5"}) == FETCH
    assert _fetch({"fetch.wait.max.ms": "100"}) == {**FETCH, "fetch.wait.max.ms": 100}


def test_what_is_no_number_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"fetch\.min\.bytes: '16 kB' is no number"):
        _fetch({"fetch.min.bytes": "16 kB"})
