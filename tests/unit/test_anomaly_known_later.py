"""An asset that was watched before the configuration named it learns anew once it is named."""

from collections.abc import Mapping, Sequence

from penstock.anomaly.settings import MonitorSettings
from penstock.operator import Output
from penstock.testing.batches import Batches, Record
from streams.operators.anomalies.parameters import AnomalyParameters, Rule, WatchedAsset
from streams.operators.anomaly_scores import AnomalyScores
from streams.operators.detectors.pca import Pca

SECOND = 1_000_000
PUMP, SAW = "acme/pump", "acme/saw"
WARM_UP = 20
RULED = WatchedAsset(others=frozenset({"mode"}), rule=Rule(state="mode", producing=frozenset({1})))


def scores(**assets: WatchedAsset) -> AnomalyScores:
    """The operator of a plant that knows these assets."""
    return AnomalyScores(
        AnomalyParameters(
            grid=SECOND, max_age=10 * SECOND, settle=0, out_of_order=0, clock_ahead=SECOND,
            detector="pca", make=Pca, options=Pca.Settings(),
            monitor=MonitorSettings(warm_up=WARM_UP),
            assets={f"acme/{name}": known for name, known in assets.items()},
        )
    )  # fmt: skip


def samples(first: int, last: int, *assets: str, mode: int = 1) -> list[Record]:
    """A record per asset of all tags in each of these seconds."""
    return [
        Record(asset, "plc", [(tag, second * SECOND, value) for second in range(first, last)
                              for tag, value in (("mode", mode), ("flow", second % 7))])
        for asset in assets
    ]  # fmt: skip


def learned(operator: AnomalyScores) -> Mapping[str, bytes]:
    """All rows of its state."""
    return {name: row for name, row in operator.changes().items() if row is not None}


def states(output: Output, asset: str = PUMP) -> Sequence[str]:
    """Of the asset's rows."""
    return [one.record.state for one in output.results if one.key == asset]


def restored(rows: Mapping[str, bytes], **assets: WatchedAsset) -> AnomalyScores:
    """The operator that goes on from rows of state, of a plant that knows these assets."""
    operator = scores(**assets)
    operator.restore(rows)
    return operator


def trained(*assets: str, **known: WatchedAsset) -> Mapping[str, bytes]:
    """The state of an operator that knows what is normal of the assets."""
    operator = scores(**known)
    found = operator.update(Batches().of(*samples(1, 2 * WARM_UP, *assets)))
    assert all(states(found, asset)[-1] == "ok" for asset in assets)
    return learned(operator)


def test_with_a_rule_a_new_warm_up_begins_where_the_rows_had_come_to() -> None:
    rows = trained(PUMP)
    operator = restored(rows, pump=RULED)
    found = operator.update(Batches().of(*samples(2 * WARM_UP, 4 * WARM_UP, PUMP)))
    assert states(found) == ["warming_up"] * WARM_UP + ["ok"] * WARM_UP
    late = operator.update(Batches().of(*samples(1, 2, PUMP)))
    assert [int(one.mask.sum()) for one in late.late] == [2]


def test_it_is_forgotten_once_and_for_good_whichever_asset_is_saved_next() -> None:
    rows = trained(PUMP, SAW)
    first = restored(rows, pump=RULED)
    first.update(Batches().of(*samples(2 * WARM_UP, 2 * WARM_UP + 1, SAW)))
    rows = {**rows, **learned(first)}
    again = restored(rows, pump=RULED)
    found = again.update(Batches().of(*samples(2 * WARM_UP, 4 * WARM_UP, PUMP, SAW)))
    assert states(found) == ["warming_up"] * WARM_UP + ["ok"] * WARM_UP
    assert set(states(found, SAW)) == {"ok"}
    later = restored({**rows, **learned(again)}, pump=RULED)
    assert set(states(later.update(Batches().of(*samples(80, 90, PUMP))))) == {"ok"}


def test_named_without_a_rule_or_with_another_asset_it_goes_on() -> None:
    rows = trained(PUMP)
    for known in ({"pump": WatchedAsset()}, {"saw": RULED}):
        operator = restored(rows, **known)
        found = operator.update(Batches().of(*samples(2 * WARM_UP, 3 * WARM_UP, PUMP)))
        assert set(states(found)) == {"ok"}


def test_who_was_known_all_along_goes_on() -> None:
    rows = trained(PUMP, pump=RULED)
    operator = restored(rows, pump=RULED, saw=RULED)
    found = operator.update(Batches().of(*samples(2 * WARM_UP, 3 * WARM_UP, PUMP)))
    assert set(states(found)) == {"ok"}
