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


STATED = """version: 1
site: {path: acme/bremen, timezone: Europe/Berlin}
sources: {plc: {type: modbus, host: 127.0.0.1, tags: tags.csv}}
assets:
  line1/press: {states: packml}
  line1/pump: {states: pump}
states:
  packml: {state: StateCurrent, mode: Mode, producing: [6]}
  pump: {producing_when: current > 4 A for 5 s}
calendars:
  day:
    shifts: {day: "06:00-18:00"}
    planned_stops: [{name: break, shift: day, at: "10:00", for: 30 min}]
windows: {sizes: {1 min: {reopen_for: 1 h}}}
"""
TAGS = """asset,tag,address,type,unit
line1/press,StateCurrent,1/40001,uint16,
line1/press,Mode,1/40002,uint16,
line1/pump,current,1/40003,uint16,A
"""


def stated(folder, yaml=STATED, tags=TAGS):
    (folder / "tags.csv").write_text(tags)
    return write(folder, yaml=yaml)


def test_tags_that_tell_the_states_are_found_in_the_tag_lists(tmp_path):
    assert load_plant(stated(tmp_path)).states["pump"].producing_when


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"yaml": STATED.replace("StateCurrent", "StateCurent")},
         r"line1/press.states: 'packml' needs a tag 'StateCurent'.*did you mean 'StateCurrent'"),
        ({"tags": TAGS.replace("Mode", "Recipe")}, "needs a tag 'Mode', which no tag list has"),
        ({"yaml": STATED.replace("current > 4 A", "curent > 4 A")},
         "line1/pump.states: 'pump' needs a tag 'curent'.*did you mean 'current'"),
        ({"yaml": STATED.replace("4 A", "4 V")}, "compares 'current' in 'V', which is in 'A'"),
        ({"yaml": STATED.replace('"10:00"', '"18:00"')},
         r"planned stop 'break' at 18:00 is outside its shift 'day' \(06:00-18:00\)"),
    ],
)  # fmt: skip
def test_a_plant_whose_times_could_never_be_told_is_refused(tmp_path, files, fault):
    with pytest.raises(InvalidConfigurationError, match=fault):
        load_plant(stated(tmp_path, **files))


def test_two_states_of_one_machine_are_refused_and_two_counters_are_added_up(tmp_path):
    tags = TAGS.replace("unit\n", "unit,role\n").replace("uint16,A", "uint16,A,")
    two = tags.replace("Mode,1/40002,uint16,", "Mode,1/40002,uint16,,state").replace(
        "StateCurrent,1/40001,uint16,", "StateCurrent,1/40001,uint16,,state"
    )
    with pytest.raises(InvalidConfigurationError, match="has a state already, 'StateCurrent' at"):
        load_plant(stated(tmp_path, tags=two))
    load_plant(stated(tmp_path, tags=two.replace(",state", ",good")))


def test_a_counter_of_pieces_that_is_text_is_refused(tmp_path):
    text = TAGS.replace("unit\n", "unit,role\n").replace("uint16,A", "uint16,A,")
    text = text.replace("Mode,1/40002,uint16,", "Mode,1/40002,string:4,,scrap")
    fault = "tags.csv:3: column type: a scrap counter is a number, not 'string:4'"
    with pytest.raises(InvalidConfigurationError, match=fault):
        load_plant(stated(tmp_path, tags=text))


def test_a_tag_of_the_role_tells_the_state_whatever_its_name(tmp_path):
    tags = TAGS.replace("unit\n", "unit,role\n").replace(
        "StateCurrent,1/40001,uint16,", "Zustand,1/40001,uint16,,state"
    ).replace("Mode,1/40002,uint16,", "Modus,1/40002,uint16,,mode")  # fmt: skip
    assert load_plant(stated(tmp_path, tags=tags.replace("uint16,A", "uint16,A,")))


def test_where_a_tag_list_is_wrong_itself_nothing_is_said_of_tags_that_may_be_in_it(tmp_path):
    with pytest.raises(InvalidConfigurationError) as raised:
        load_plant(stated(tmp_path, tags=TAGS.replace("tag,address", "tga,address")))
    assert "StateCurrent" not in str(raised.value)
