import pytest

from connectors.modbus.plan import Block, ClockPlace, Item, Planner, locate
from connectors.modbus.registers import Table, encoding
from penstock.settings.tags import Tag


def items(*rows: tuple[str, str]) -> list[Item]:
    """Tags of address and type, zero-based."""
    return [
        locate(Tag(asset="a", tag=address, address=address, type=type_), "zero-based", 125)
        for address, type_ in rows
    ]


def spans(blocks: list[Block]) -> list[tuple[int, int, int]]:
    return [(block.unit, block.start, block.count) for block in blocks]


def clock(address: int) -> ClockPlace:
    return ClockPlace(Table.HOLDING_REGISTERS, address, encoding("uint64"), 1)


def test_neighbours_share_a_request_and_a_wide_gap_parts_them() -> None:
    tags = items(("1/0", "float32"), ("1/10", "int16"), ("1/2", "int16"), ("1/20", "int16"))
    assert spans(Planner(60, 8).blocks(tags)) == [(1, 0, 11), (1, 20, 1)]
    assert spans(Planner(60, 9).blocks(tags)) == [(1, 0, 21)]
    assert spans(Planner(60, 0).blocks(tags)) == [(1, 0, 3), (1, 10, 1), (1, 20, 1)]


def test_a_request_is_no_longer_than_the_device_takes_and_no_value_is_cut() -> None:
    tags = items(*((f"1/{at}", "float64") for at in range(0, 40, 4)))
    assert spans(Planner(10, 8).blocks(tags)) == [(1, at, 8) for at in range(0, 40, 8)]


def test_units_and_tables_are_asked_apart() -> None:
    tags = items(("1/0", "int16"), ("2/1", "int16"), ("1/ir:1", "int16"), ("1/co:2", "bit"))
    blocks = Planner(60, 8).blocks(tags)
    assert [(block.unit, block.table) for block in blocks] == [
        (1, Table.COILS),
        (1, Table.HOLDING_REGISTERS),
        (1, Table.INPUT_REGISTERS),
        (2, Table.HOLDING_REGISTERS),
    ]


def test_coils_are_sixteen_to_a_register() -> None:
    tags = items(("1/co:0", "bit"), ("1/co:128", "bit"), ("1/co:1599", "bit"))
    assert spans(Planner(100, 8).blocks(tags)) == [(1, 0, 129), (1, 1599, 1)]
    assert spans(Planner(100, 124).blocks(tags)) == [(1, 0, 1600)]


def test_a_value_inside_another_does_not_shorten_the_request() -> None:
    tags = items(("1/0", "string:20"), ("1/1", "int16"), ("1/10", "int16"))
    assert spans(Planner(60, 0).blocks(tags)) == [(1, 0, 11)]


def test_the_clock_is_read_along_wherever_it_fits() -> None:
    tags = items(("1/30", "int16"), ("1/50", "int16"), ("1/200", "int16"), ("1/ir:0", "int16"))
    blocks = Planner(60, 0, clock(0)).blocks(tags)
    assert spans(blocks) == [(1, 0, 51), (1, 200, 1), (1, 0, 1)]
    assert [block.clock is not None for block in blocks] == [True, False, False]


def test_tags_on_both_sides_of_the_clock_share_it_in_turn() -> None:
    tags = items(*((f"1/{at}", "int16") for at in (450, 480, 520, 550)))
    blocks = Planner(60, 8, clock(500)).blocks(tags)
    assert spans(blocks) == [(1, 450, 54), (1, 500, 51)]
    assert all(block.clock for block in blocks)


def test_a_block_is_halved_down_to_single_addresses() -> None:
    tags = items(("1/0", "int16"), ("1/1.3", "bit"), ("1/1.4", "bit"), ("1/2", "int16"))
    planner = Planner(60, 8)
    (block,) = planner.blocks(tags)
    first, second = planner.halves(block)
    assert spans([first, second]) == [(1, 0, 1), (1, 1, 2)]
    assert spans(planner.halves(second)) == [(1, 1, 1), (1, 2, 1)]
    assert planner.halves(first) == [first]


def test_a_single_tag_with_the_clock_is_tried_without_it() -> None:
    planner = Planner(60, 8, clock(0))
    (block,) = planner.blocks(items(("1/40", "int16")))
    assert spans(planner.halves(block)) == [(1, 40, 1)]


@pytest.mark.parametrize("most", [1, 7, 60])
@pytest.mark.parametrize("anchor", [None, 3, 57])
def test_each_tag_is_in_one_block_that_holds_it(most: int, anchor: int | None) -> None:
    tags = items(*((f"1/{at}", "int16") for at in (0, 1, 2, 5, 9, 30, 31, 57, 58, 90)))
    planner = Planner(most, 4, None if anchor is None else clock(anchor))
    blocks = planner.blocks(tags)
    assert sorted(item.tag.tag for block in blocks for item in block.items) == sorted(
        item.tag.tag for item in tags
    )
    for block in blocks:
        assert block.count <= most
        for item in block.items:
            assert block.start <= item.place.address < item.end <= block.start + block.count
