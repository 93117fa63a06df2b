"""What is handed on of answers about one gap, and how reading goes on; without a server."""

from datetime import UTC, datetime, timedelta

from asyncua import ua

from connectors.opcua.readings import FRUITLESS, Gap, Reading

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def values(*numbered: tuple[int, int]) -> list[ua.DataValue]:
    """Numbers with source times in microseconds."""
    return [
        ua.DataValue(number, SourceTimestamp=EPOCH + timedelta(microseconds=time))
        for number, time in numbered
    ]


def test_an_answer_that_begins_earlier_for_others_does_not_make_a_reading_skip_values() -> None:
    reading = Reading(Gap(0, 100, 200))
    page = reading.take(values((1, 110), (2, 120)), None, full=True)
    assert [one.Value.Value for one in page.values] == [1]
    page = reading.take(values((8, 50), (9, 60)), None, full=True, early=True)
    assert (page.values, page.after, page.last) == ([], 110, False)
    assert (reading.begin, reading.alone) == (120, True)
    page = reading.take(values((2, 120), (3, 120), (4, 130)), None, full=False)
    assert [one.Value.Value for one in page.values] == [2, 3, 4]
    assert page.last


def test_the_same_values_again_are_passed_over() -> None:
    reading = Reading(Gap(0, 100, 200))
    reading.take(values((1, 110), (2, 110)), None, full=True)
    page = reading.take(values((1, 110), (2, 110)), None, full=True)
    assert [one.Value.Value for one in page.values] == [1, 2]
    assert (reading.begin, reading.ended) == (111, False)


def test_a_reading_ends_behind_its_gap_and_gives_its_point_back() -> None:
    reading = Reading(Gap(0, 100, 200))
    page = reading.take(values((1, 110), (2, 200)), b"place", full=True)
    assert [one.Value.Value for one in page.values] == [1]
    assert (page.last, reading.goes_on, reading.point) == (True, False, b"place")


def test_a_point_is_followed_over_values_before_the_gap() -> None:
    reading = Reading(Gap(0, 1_000, 2_000))
    for time in range(1, 2 * FRUITLESS):
        reading.take(values((time, time)), b"place", full=True, early=time == 1)
        assert reading.goes_on
    page = reading.take(values((7, 1_500)), None, full=False)
    assert [one.Value.Value for one in page.values] == [7]


def test_a_server_that_says_more_and_gives_nothing_is_left() -> None:
    reading = Reading(Gap(0, 100, 200))
    answers = 0
    while not reading.ended:
        reading.take((), b"place", full=False)
        answers += 1
    assert answers == FRUITLESS + 1
