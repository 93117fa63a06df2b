"""The simulated factory's machines, without any protocol."""

import itertools
import struct

import numpy as np
import pytest

from penstock.factory.equipment import KINDS
from penstock.factory.layout import LINES, Line, Place
from penstock.factory.machine import PACKML, Machine
from penstock.factory.registers import MAX_REGISTERS, Registers
from penstock.factory.schedule import BLOCKED, STARVED, Activity, pieces_per_minute

PLACES = [place for line in LINES for place in line.places]
PRESS = PLACES[0]
HOUR = 36_000


def machine(place: Place = PRESS, *, seed: int = 1, speed: float = 60.0) -> Machine:
    return Machine(place, seed=seed, speed=speed)


def test_a_line_for_each_protocol_and_at_least_twelve_machines() -> None:
    assert {line.protocol for line in LINES} == {"opcua", "modbus", "mqtt"}
    assert len(PLACES) >= 12
    assert len({place.asset for place in PLACES}) == len({place.index for place in PLACES})


def test_the_factory_carries_5000_samples_per_second() -> None:
    """Counted without what OPC UA reports only when it changes."""
    sensors = sum(len(KINDS[place.kind].signals) for place in PLACES)
    assert sensors * 10 >= 5000


def test_the_seed_makes_the_machine() -> None:
    same, other = machine(seed=1).read(500), machine(seed=2).read(500)
    again = machine(seed=1).read(500)
    assert again.fields == same.fields
    assert np.array_equal(again.steps, same.steps)
    assert not np.array_equal(other.steps, same.steps)


def test_machines_of_a_kind_differ() -> None:
    first, second = (machine(place).read(500) for place in PLACES[:2])
    assert PLACES[0].kind == PLACES[1].kind
    assert not np.array_equal(first.steps, second.steps)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_counters_add_up_and_orders_are_made_whole(place: Place) -> None:
    running = machine(place)
    made: dict[str, int] = {}
    before = sum(running.counts(0))
    for segment in running.advance(HOUR // 10):
        if segment.activity is Activity.NO_ORDER:
            assert segment.pieces(segment.start) == segment.order.pieces
            made[segment.order.id] = segment.order.pieces
    good, scrap = running.counts(HOUR // 10)
    in_work = 0
    if running.segment.order.id not in made:
        in_work = running.segment.pieces(HOUR // 10)
    assert good + scrap - before == sum(made.values()) + in_work
    assert len(made) > 20


def test_counters_never_go_back_but_over() -> None:
    packer = next(place for place in PLACES if place.counter_max == 9_999)
    running = machine(packer)
    totals = []
    for cycle in range(1500):
        _, good, scrap, total, *_ = running.read(cycle).fields
        assert total == (good + scrap) % 10_000
        totals.append(total)
    steps = {(after - before) % 10_000 for before, after in itertools.pairwise(totals)}
    assert max(steps) < 10
    assert min(totals) < 300  # it rolled over
    assert max(totals) >= 9_699


def test_time_balance_closes() -> None:
    segments = machine().advance(HOUR)
    assert segments[0].start == 0
    assert all(before.end == after.start for before, after in itertools.pairwise(segments))
    assert all(segment.end > segment.start for segment in segments)
    assert {segment.activity for segment in segments} == set(Activity)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.plc)
def test_machines_of_a_line_make_pieces_together_and_wait_for_one_of_them(line: Line) -> None:
    machines = [machine(place) for place in line.places]
    own = {Activity.FAILURE, Activity.REPAIR, Activity.MINOR_STOP}
    for cycle in range(0, HOUR // 10):
        for one in machines:
            one.advance(cycle)
        does = [one.segment.activity for one in machines]
        assert len({one.segment.order.id for one in machines}) == 1
        assert does.count(Activity.PRODUCING) in (0, len(does))
        stopped = [place for place, activity in enumerate(does) if activity in own]
        assert len(stopped) <= 1
        for place, one in enumerate(machines):
            if stopped and place not in stopped:
                assert one.segment.activity is Activity.WAITING
                assert one.segment.reason == (STARVED if stopped[0] < place else BLOCKED)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.plc)
def test_what_a_machine_scraps_does_not_come_to_the_next(line: Line) -> None:
    made = [
        {one.order.number: one.order for one in machine(place).advance(HOUR // 10)}
        for place in line.places
    ]
    whole = set.intersection(*(set(orders) for orders in made))  # not all have begun the last one
    assert len(whole) > 20
    for number in whole:
        arriving = made[0][number].quantity
        for order in (orders[number] for orders in made):
            assert order.pieces == arriving
            arriving -= order.scrap(order.pieces)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.plc)
def test_a_line_makes_nearly_what_its_constraint_can(line: Line) -> None:
    constraint = next(place for place in line.places if place.name == line.constraint)
    paces = [pieces_per_minute(KINDS[place.kind].profile, 0) for place in line.places]
    assert pieces_per_minute(KINDS[constraint.kind].profile, 0) == min(paces)
    planned = producing = 0.0
    for one in machine(constraint).advance(HOUR // 10):
        if one.activity is Activity.PRODUCING:
            producing += (one.end - one.start) / 10
        elif one.activity is Activity.NO_ORDER:
            pace = pieces_per_minute(KINDS[constraint.kind].profile, one.order.product)
            planned += one.order.quantity * 60.0 / pace / 60.0  # at speed 60
    assert 0.85 < planned / producing <= 1.0


def test_a_demo_of_30_seconds_sees_orders_and_a_failure() -> None:
    segments = [segment for place in PLACES for segment in machine(place).advance(300)]
    assert sum(segment.activity is Activity.FAILURE for segment in segments) >= 1
    assert sum(segment.activity is Activity.NO_ORDER for segment in segments) >= len(PLACES)


def test_at_speed_1_things_take_their_time() -> None:
    segments = machine(speed=1.0).advance(10 * 600)
    setup = segments[0]
    assert setup.activity is Activity.SETUP
    assert 60 * 10 < setup.end - setup.start < 120 * 10


def test_wear_grows_to_a_failure_and_is_repaired() -> None:
    segments = machine().advance(HOUR)
    for failure, repair, after in zip(segments, segments[1:], segments[2:], strict=False):
        if failure.activity is Activity.FAILURE:
            assert failure.wear >= 0.9
            assert repair.activity is Activity.REPAIR
            assert after.wear == 0.0


def test_signals_hang_together() -> None:
    """Load draws power, shakes the machine, and heats it with a lag."""
    running = machine()
    names = [signal.name for signal in running.sensors.signals]
    readings = [running.read(cycle) for cycle in range(3000)]
    values = np.array([reading.steps for reading in readings])
    states = np.array([reading.fields[4] for reading in readings])
    producing = states == PACKML[Activity.PRODUCING][0]
    for name in ("active_power", "bearing1_vibration_x"):
        column = values[:, names.index(name)]
        assert column[producing].mean() > 1.2 * column[~producing].mean()
    power = values[:, names.index("active_power")]
    heat = values[:, names.index("main_drive_temperature")]
    assert np.corrcoef(power, np.roll(heat, -20))[0, 1] > np.corrcoef(power, heat)[0, 1]


def test_readings_stay_in_range() -> None:
    for place in PLACES:
        running = machine(place)
        scale = [10.0**signal.decimals for signal in running.sensors.signals]
        for cycle in range(0, 3000, 10):
            values = running.read(cycle).steps / scale
            for value, signal in zip(values, running.sensors.signals, strict=True):
                assert signal.low <= value <= signal.high


@pytest.mark.parametrize("kind", KINDS)
def test_a_unit_fits_into_one_request(kind: str) -> None:
    registers = Registers(KINDS[kind].signals)
    ends = [slot.register + slot.count for slot in registers.slots]
    assert max(ends) == registers.count <= MAX_REGISTERS
    taken = [
        r for slot in registers.slots for r in range(slot.register, slot.register + slot.count)
    ]
    assert len(taken) == len(set(taken))
    assert min(taken) == 4


@pytest.mark.parametrize("place", [p for p in PLACES if p.line == 2], ids=lambda p: p.name)
def test_registers_hold_the_reading(place: Place) -> None:
    running = machine(place)
    registers = Registers(running.sensors.signals)
    reading = running.read(700)
    words = registers.pack(reading, 1_795_397_457_200_000)
    raw = struct.pack(f">{len(words)}H", *words)
    assert struct.unpack_from(">Q", raw)[0] == 1_795_397_457_200_000
    assert raw[8:16].decode() == reading.fields[0]
    assert struct.unpack_from(">HH", raw, 20) == (
        reading.fields[2] % 65536,
        reading.fields[2] >> 16,
    )
    for slot, signal, step in zip(
        registers.slots[10:], running.sensors.signals, reading.steps.tolist(), strict=True
    ):
        part = raw[2 * slot.register : 2 * (slot.register + slot.count)]
        if slot.type == "int16":
            assert struct.unpack(">h", part)[0] == step
        else:
            value = struct.unpack(">f", part[2:] + part[:2] if slot.order == "CDAB" else part)[0]
            assert value == pytest.approx(step / 10**signal.decimals, rel=1e-6)
