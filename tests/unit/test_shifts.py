"""Shifts, planned stops, production days and holidays."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from penstock.errors import ConfigurationError
from penstock.settings.holidays import read_holidays
from penstock.settings.problems import InvalidConfigurationError
from penstock.settings.production import Calendar, Kpis
from penstock.settings.products import read_products
from penstock.shifts import NOT_SCHEDULED, PLANNED, PLANNED_STOP, ShiftCalendar

H = 3_600_000_000
ALL = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SHIFTS = {"early": "06:00-14:00", "late": "14:00-22:00", "night": "22:00-06:00"}
BREAK = {"name": "break", "shift": "night", "at": "01:30", "for": "30 min"}


def at(*when):
    return round(datetime(*when, tzinfo=UTC).timestamp() * 1e6)


def calendar(**settings):
    made = Calendar.model_validate({"shifts": SHIFTS, "days": ALL, **settings})
    return ShiftCalendar(made, "Europe/Berlin", "06:00")


def night(*day):
    begin = at(*day, 18)
    [shift] = [s for s in calendar().shifts(begin, begin + 8 * H) if s.name == "night"]
    return shift


@pytest.mark.parametrize(
    ("day", "hours"), [((2026, 10, 24), 9), ((2026, 3, 28), 7), ((2026, 6, 1), 8)]
)
def test_a_night_over_a_clock_change_is_as_long_as_it_is(day, hours):
    shift = night(*day)
    assert (shift.end - shift.start) / H == hours
    assert shift.day == date(*day)


def test_a_shift_after_midnight_belongs_to_the_production_day_that_has_begun():
    made = calendar(shifts={"second half": "02:00-06:00"})
    [shift] = made.shifts(at(2026, 6, 2, 1), at(2026, 6, 2, 2))
    assert shift.day == date(2026, 6, 1)


def test_days_and_holidays_are_production_days():
    made = calendar(days=["Fri"], free_days=frozenset([date(2026, 6, 12)]))
    days = {shift.day for shift in made.shifts(at(2026, 6, 1), at(2026, 6, 30))}
    assert days == {date(2026, 6, 5), date(2026, 6, 19), date(2026, 6, 26)}
    assert made.shifts(at(2026, 6, 6, 0), at(2026, 6, 6, 1))[0].name == "night"


def test_planned_stops_are_cut_out_of_their_shift():
    made = calendar(planned_stops=[BREAK])
    begin = at(2026, 6, 1, 20)
    found = list(made.planning(begin, begin + 8 * H))
    stop = begin + 3 * H + H // 2
    assert found == [
        (begin, stop, PLANNED),
        (stop, stop + H // 2, PLANNED_STOP),
        (stop + H // 2, begin + 8 * H, PLANNED),
    ]


@settings(max_examples=50)
@given(
    st.integers(at(2020, 1, 1), at(2030, 1, 1)) | st.integers(-(2**60), 2**60),
    st.integers(1, 200 * H),
    st.sampled_from([ALL, ("Mon", "Sat"), ()]),
)
def test_planning_leaves_no_gap(begin, length, days):
    made = calendar(
        days=days, planned_stops=[BREAK], shifts={"a": "22:00-01:00", "night": "01:30-06:00"}
    )
    parts = list(made.planning(begin, begin + length))
    assert parts[0][0] == begin and parts[-1][1] == begin + length
    assert all(one[1] == other[0] for one, other in pairwise(parts))
    assert all(start < end for start, end, _ in parts)
    if not days:
        assert {what for *_, what in parts} == {NOT_SCHEDULED}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("06:00-14:00", "13:00-22:00"),
        ("22:00-06:00", "05:59-14:00"),
        ("06:00-06:00", "07:00-08:00"),
    ],
)
def test_overlapping_shifts_are_refused(one, other):
    with pytest.raises(ValidationError, match=r"shifts 'a' .* and 'b' .* overlap"):
        Calendar(shifts={"a": one, "b": other})


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"every": "7 s"}, "does not divide a minute"),
        ({"every": "2 min"}, "does not divide a minute"),
        ({"every": "30 s", "sliding": "45 s"}, "no multiple of every '30 s'"),
    ],
)
def test_kpi_windows_that_do_not_fit_are_refused(settings, fault):
    with pytest.raises(ValidationError, match=fault):
        Kpis.model_validate(settings)


ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//acme//holidays//EN
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20251224
DTEND;VALUE=DATE:20251227
RRULE:FREQ=YEARLY;UNTIL=20271231T225959Z
EXDATE;VALUE=DATE:20261224
SUMMARY:Christmas
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART:20260501T080000Z
DTEND:20260502T100000Z
END:VEVENT
BEGIN:VEVENT
UID:3
DTSTART;VALUE=DATE:20260601
END:VEVENT
END:VCALENDAR
"""


def test_holidays_are_read(tmp_path):
    path = tmp_path / "bremen.ics"
    path.write_text(ICS.replace("\n", "\r\n"))
    days = read_holidays(path)
    christmas = {date(year, 12, 24) + timedelta(n) for year in (2025, 2027) for n in range(3)}
    assert days == christmas | {date(2026, 5, 1), date(2026, 5, 2), date(2026, 6, 1)}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("not a calendar", "is no iCalendar file"),
        ("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "holds no event"),
        ("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", "DTSTART"),
    ],
)
def test_files_that_are_no_holidays_are_refused(tmp_path, text, fault):
    path = tmp_path / "bremen.ics"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=fault):
        read_holidays(path)


def test_products_are_read_with_a_decimal_comma(tmp_path):
    path = tmp_path / "products.csv"
    path.write_text("\ufeffproduct;asset;seconds_per_unit\nA;l/press;1,25\n;l/press;2\n\n")
    assert read_products(path) == {("A", "l/press"): 1.25, ("", "l/press"): 2.0}


def test_a_run_time_that_may_mean_two_numbers_is_refused(tmp_path):
    path = tmp_path / "products.csv"
    path.write_text("product;asset;seconds_per_unit\nA;l/press;1,250\n")
    with pytest.raises(InvalidConfigurationError, match=r"csv:2: .*write 1250 or 1\.250"):
        read_products(path)


def test_all_wrong_rows_of_products_are_named(tmp_path):
    path = tmp_path / "products.csv"
    rows = ["A,l/p,0", "A,l/p,x", "A,,1", "B,l/p", "C,l/p,1", "C,l/p,2", "D,l/p,inf"]
    path.write_text("product,asset,seconds_per_unit\n" + "\n".join(rows) + "\n")
    with pytest.raises(InvalidConfigurationError) as caught:
        read_products(path)
    lines = [problem.where.rpartition(":")[2] for problem in caught.value.problems]
    assert lines == ["2", "3", "4", "5", "7", "8"]


def test_a_products_file_without_its_header_is_refused(tmp_path):
    path = tmp_path / "products.csv"
    path.write_text("A,l/press,1\n")
    with pytest.raises(InvalidConfigurationError, match="the first line must be"):
        read_products(path)
