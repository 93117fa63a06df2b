"""What a configuration takes from its products and holidays."""

import pytest

from penstock.settings.loader import load_plant
from penstock.settings.problems import InvalidConfigurationError

YAML = """version: 1
site: {path: acme/bremen, timezone: Europe/Berlin}
products: products.csv
assets: {line1/press: {calendar: day}}
calendars:
  day: {shifts: {day: "06:00-18:00"}, holidays: days.ics}
windows: {sizes: {1 min: {reopen_for: 1 h}}}
"""
ICS = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\n"
    "DTSTART;VALUE=DATE:20260501\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def write(
    folder, products="product,asset,seconds_per_unit\nA,line1/press,1.5\n", ics=ICS, yaml=YAML
):
    (folder / "plant.yaml").write_text(yaml)
    (folder / "products.csv").write_text(products)
    (folder / "days.ics").write_text(ics)
    return folder / "plant.yaml"


def test_products_and_holidays_come_with_the_plant(tmp_path):
    plant = load_plant(write(tmp_path))
    assert plant.run_times == {("A", "line1/press"): 1.5}
    assert [day.isoformat() for day in plant.calendars["day"].free_days] == ["2026-05-01"]


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"ics": "nothing"}, "days.ics.*is no iCalendar file"),
        ({"products": "product,asset,seconds_per_unit\nA,line1/pres,1\n"}, "'line1/pres' that is"),
        ({"products": "product,asset,seconds_per_unit\nA,line1/press,-1\n"}, "products.csv:2"),
        ({"yaml": YAML + "run_times: {}\n"}, "run_times.*unknown key"),
        ({"yaml": YAML.replace("holidays", "free_days: [], holidays")}, "free_days"),
    ],
)
def test_what_is_wrong_with_them_is_named(tmp_path, files, fault):
    with pytest.raises(InvalidConfigurationError, match=fault):
        load_plant(write(tmp_path, **files))
