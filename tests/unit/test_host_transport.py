"""What a worker's consumer takes of the user's `kafka.options`."""

from streams.host.transport import FETCH, fetch


def test_fetches_are_as_the_user_says_or_as_usual() -> None:
    assert fetch({"linger.ms": "5"}) == FETCH
    assert fetch({"fetch.wait.max.ms": "100"}) == {**FETCH, "fetch.wait.max.ms": 100}
