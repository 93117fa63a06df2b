"""Components are found by entry point; what cannot be found is said with a remedy."""

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from penstock import components
from penstock.errors import ConfigurationError, UnknownComponentError
from penstock.sink import Sink


def offer(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    found = [EntryPoint(name, value, "penstock.connectors") for name, value in points]

    def entry_points(**select: str) -> EntryPoints:
        return EntryPoints(found).select(**select)

    monkeypatch.setattr(components, "entry_points", entry_points)


def test_our_own_are_found_without_being_imported_by_name() -> None:
    assert {"maintenance", "parquet"} <= set(components.names("sinks"))
    assert issubclass(components.load("sinks", "parquet"), Sink)


def test_a_slip_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(UnknownComponentError, match=r"no sink 'parket' \(did you mean 'parquet'"):
        components.load("sinks", "parket")


def test_an_unknown_name_is_answered_with_all_that_are_known() -> None:
    with pytest.raises(UnknownComponentError, match=r"known: flatten, .*parquet"):
        components.load("sinks", "zzz")


def test_two_packages_that_offer_the_same_name(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("modbus", "ours:A"), ("modbus", "theirs:B"))
    with pytest.raises(
        ConfigurationError, match=r"offered more than once: ours:A, theirs:B \(uninstall"
    ):
        components.load("connectors", "modbus")


def test_one_package_that_is_found_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    value = "penstock.testing.connectors:ListConnector"
    offer(monkeypatch, ("list", value), ("list", value))
    assert components.load("connectors", "list").__name__ == "ListConnector"
