"""An answer that comes late is never taken for the next request's, and hides none."""

import asyncio

import pytest
from harness import read_until, started
from modbus_device import Device, Request, answer, well

from penstock.quality import BAD_NO_COMMUNICATION, GOOD

TWO_BLOCKS = (("1/0", "uint16"), ("1/50", "uint16"))


@pytest.mark.parametrize("late", [1, 6], ids=["the first of all", "one after good ones"])
async def test_a_late_answer_without_a_number_is_not_taken_for_the_next(late: int) -> None:
    async def behave(device: Device, request: Request) -> bytes:
        if len(device.requests) == late:
            await asyncio.sleep(0.3)
        return await well(device, request._replace(number=0))

    async with Device(behave) as device, started(device.connector(*TWO_BLOCKS)) as connector:
        samples = await read_until(
            connector,
            lambda some: all(
                sum(s.quality == GOOD and s.tag == tag for s in some) >= 5 for tag, _ in TWO_BLOCKS
            ),
        )
    assert {(s.tag, s.value) for s in samples if s.quality == GOOD} == {("1/0", 0), ("1/50", 50)}
    assert {s.quality for s in samples} == {GOOD, BAD_NO_COMMUNICATION}
    assert device.connections == 2


async def test_an_answer_behind_a_late_one_of_the_longest_is_read() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        late = answer(request._replace(number=9999), [7] * 125)
        return late + await well(device, request)

    async with Device(behave) as device, started(device.connector(("1/5", "uint16"))) as connector:
        samples = await read_until(connector, bool)
    assert [(sample.value, sample.quality) for sample in samples] == [(5.0, GOOD)]


async def test_a_device_without_numbers_that_tells_no_identity_is_probed() -> None:
    async def behave(device: Device, request: Request) -> bytes:
        known = request.function == 3
        return await well(device, request._replace(number=0)) if known else b""

    async with Device(behave) as device:
        probe = await device.connector(*TWO_BLOCKS).probe()
    assert probe.details["tags"] == "2 of 2 can be read"
