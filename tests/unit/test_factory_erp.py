"""The orders that the simulated factory's ERP system writes."""

import itertools
from pathlib import Path

import pytest

from penstock.factory.erp import AHEAD, LineOrders
from penstock.factory.layout import LINES, Line
from penstock.factory.machine import Machine
from penstock.factory.model import Factory

FACTORY = Factory(Path(), seed=1, speed=60.0, t0=1_790_000_000_000_000, opcua_port=1, modbus_port=1)
CYCLES = 3000


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.plc)
def test_each_order_is_released_before_a_machine_begins_it_and_is_what_it_makes(line: Line) -> None:
    orders = LineOrders(FACTORY, line)
    released = {}
    machines = [Machine(place, seed=1, speed=60.0) for place in line.places]
    for cycle in range(0, CYCLES, 5):
        for order in orders.released(cycle):
            assert order["ID"] not in released, "each is given once"
            released[order["ID"]] = order
        for machine in machines:
            for segment in [*machine.advance(cycle + 5), machine.segment]:
                (wanted,) = released[segment.order.id]["MaterialRequirement"]
                assert wanted["Quantity"] == segment.order.quantity
                assert wanted["MaterialDefinitionID"] == str(segment.order.product)
    assert len(released) > 20


def test_the_plan_is_one_order_after_the_other() -> None:
    orders = LineOrders(FACTORY, LINES[0]).released(CYCLES)
    for before, after in itertools.pairwise(orders):
        assert before["StartTime"] < before["EndTime"] == after["StartTime"]


def test_a_new_process_gives_again_what_is_in_work_and_the_same() -> None:
    first = LineOrders(FACTORY, LINES[1])
    before = {order["ID"]: order for n in range(0, CYCLES, 100) for order in first.released(n)}
    again = LineOrders(FACTORY, LINES[1]).released(CYCLES - 100)
    assert len(again) > AHEAD and all(before[order["ID"]] == order for order in again)
    machines = [Machine(place, seed=1, speed=60.0) for place in LINES[1].places]
    for machine in machines:
        machine.advance(CYCLES - 100)
    assert {machine.segment.order.id for machine in machines} <= {one["ID"] for one in again}


def test_orders_of_lines_have_names_of_their_own() -> None:
    names = [order["ID"] for line in LINES for order in LineOrders(FACTORY, line).released(CYCLES)]
    assert len(set(names)) == len(names) and {len(name) for name in names} == {8}
