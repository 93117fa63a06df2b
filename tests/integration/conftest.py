"""A broker for the tests that kill it, or that need the topics of the contract for themselves."""

from collections.abc import Iterator

import pytest

from penstock.local.stack import LocalStack


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A Kafka that no other file of tests uses; the registry is not started."""
    stack = LocalStack(tmp_path_factory.mktemp("own"), kafka_port=0, registry_port=0)
    try:
        stack.start("kafka")
        yield stack
    finally:
        stack.down()
