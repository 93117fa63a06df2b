"""The loader, and the words in which it names the most likely slips."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from penstock import components
from penstock.connector import SourceSettings
from penstock.errors import ConfigurationError
from penstock.processor import ProcessorSettings
from penstock.settings.loader import load_component, load_plant
from penstock.settings.paths import Location
from penstock.settings.problems import InvalidConfigurationError
from penstock.settings.secrets import MASK
from penstock.settings.sections import Section
from penstock.settings.tags import Tag
from penstock.sink import SinkSettings
from penstock.units import Duration, parse_duration


class MeterSecurity(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["SignAndEncrypt", "None"] = "SignAndEncrypt"
    certificate: Path | None = None
    password: SecretStr | None = None


class MeterSettings(SourceSettings):
    url: str = Field(description="Where the meter is, as meter://host.")
    port: int = Field(7, ge=1, le=65535)
    sampling: Duration = parse_duration("100 ms")
    security: MeterSecurity = MeterSecurity()


class Meter:
    Settings: ClassVar[type[SourceSettings]] = MeterSettings

    def __init__(self, name: str, settings: Any, tags: Sequence[Tag]) -> None:
        for tag in tags:
            if not tag.address.isdigit():
                msg = f"column address: {tag.address!r} is no number"
                raise ConfigurationError(msg, where=tag.where, remedy="write it as 17")


class StoreSettings(SinkSettings):
    path: Location


class Store:
    Settings: ClassVar[type[SinkSettings]] = StoreSettings


class Point(NamedTuple):
    """As much of an entry point as components look at."""

    name: str
    found: Any
    value: str = "here"

    def load(self) -> Any:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


class TrendSettings(ProcessorSettings):
    span: Duration = parse_duration("1 h")


class Trend:
    Settings: ClassVar[type[ProcessorSettings]] = TrendSettings


POINTS = {
    "penstock.processors": [Point("trend", Trend)],
    "penstock.connectors": [Point("meter", Meter), Point("broken", ImportError("no module 'x'"))],
    "penstock.sinks": [Point("store", Store)],
}

PLANT = """\
version: 1
site: {path: acme/bremen, timezone: Europe/Berlin, day_starts: 06:00}
assets:
  stamping/line1/press07: {calendar: 3shift, states: packml}
  stamping/line1/pump03: {calendar: 3shift}
lines:
  stamping/line1: {constraint: press07, output: pump03}
sources:
  press:
    type: meter
    url: meter://one
    sampling: 50 ms
    security: {certificate: certs/client.der, password: "${file:secrets/press}"}
    tags: tags/press.csv
states:
  packml: {state: force, producing: [6], failure: [8, 9]}
calendars:
  3shift:
    shifts: {early: 06:00-14:00, night: 22:00-06:00}
    planned_stops: [{name: break, shift: early, at: 10:00, for: 30 min}]
windows:
  sizes: {10 s: {reopen_for: 15 min}, 1 h: {reopen_for: 7 d}}
sinks:
  lake: {type: store, path: ./lake}
"""
TAGS = "asset;tag;address;low;high\nstamping/line1/press07;force;17;0,5;40\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def entry_points(*, group: str, name: str | None = None) -> list[Point]:
        return [point for point in POINTS[group] if name in (None, point.name)]

    monkeypatch.setattr(components, "entry_points", entry_points)
    monkeypatch.chdir(tmp_path)
    for file, text in {
        "plant.yaml": PLANT,
        "tags/press.csv": TAGS,
        "secrets/press": "hunter2\n",
        "certs/client.der": "",
    }.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    return tmp_path


def problems(path: str = "plant.yaml") -> list[str]:
    with pytest.raises(InvalidConfigurationError) as caught:
        load_plant(Path(path))
    return [str(problem) for problem in caught.value.problems]


def test_reads_a_correct_file(folder: Path) -> None:
    plant = load_plant(Path("plant.yaml"))
    press = plant.sources["press"]
    assert isinstance(press, MeterSettings)
    assert press.sampling == timedelta(milliseconds=50)
    assert press.security.password is not None
    assert press.security.password.get_secret_value() == "hunter2"
    assert plant.site.day_starts == "06:00"
    assert list(plant.windows.sizes) == [timedelta(seconds=10), timedelta(hours=1)]
    assert plant.calendars["3shift"].planned_stops[0].duration == timedelta(minutes=30)
    (tag,) = plant.tags["press"]
    assert (tag.low, tag.high, tag.where) == (0.5, 40.0, "tags/press.csv:2")
    assert plant.asset_path(tag.asset) == "acme/bremen/stamping/line1/press07"


def test_takes_paths_from_the_files_own_folder(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    plant = load_plant(folder / "plant.yaml")
    assert plant.sources["press"].security.certificate == folder / "certs/client.der"
    assert plant.sinks["lake"].path == str(folder / "lake")
    assert plant.tags["press"][0].where == f"{folder}/tags/press.csv:2"


def test_leaves_urls_as_they_are(folder: Path) -> None:
    (folder / "plant.yaml").write_text(PLANT.replace("./lake", "s3://bucket/lake"))
    assert load_plant(Path("plant.yaml")).sinks["lake"].path == "s3://bucket/lake"


SLIPS = {
    "unknown key at the top": (
        ("version: 1", "verison: 1"),
        ["plant.yaml:1: verison: unknown key (did you mean 'version'?)"],
    ),
    "unknown key of a component": (
        ("sampling: 50 ms", "samplign: 50 ms"),
        ["plant.yaml:12: sources.press.samplign: unknown key (did you mean 'sampling'?)"],
    ),
    "unknown key deep inside": (
        ("{certificate:", "{certifcate:"),
        [
            "plant.yaml:13: sources.press.security.certifcate: unknown key "
            "(did you mean 'certificate'?)"
        ],
    ),
    "unknown key with nothing near": (
        ("calendar: 3shift}", "colour: red}"),
        [
            "plant.yaml:5: assets.stamping/line1/pump03.colour: unknown key "
            "(known here: calendar, states)"
        ],
    ),
    "unknown key below an alias": (
        ("for: 30 min", "far: 30 min"),
        [
            "plant.yaml:20: calendars.3shift.planned_stops[0].for: is missing",
            "plant.yaml:20: calendars.3shift.planned_stops[0].far: unknown key "
            "(did you mean 'for'?)",
        ],
    ),
    "tags at the top": (
        ("version: 1", "tags: {}"),
        ["plant.yaml:1: tags: unknown key (each source names its own tag list)"],
    ),
    "missing key": (
        ("    url: meter://one\n", ""),
        ["plant.yaml:9: sources.press.url: is missing (Where the meter is, as meter://host)"],
    ),
    "duration without a unit": (
        ("sampling: 50 ms", "sampling: 50"),
        [
            "plant.yaml:12: sources.press.sampling: 50 is no duration (write number and unit "
            "(us ms s min h d), as in '500 ms')"
        ],
    ),
    "window size without a unit": (
        ("{10 s:", "{10:"),
        [
            "plant.yaml:22: windows.sizes.10: '10' is no duration (write number and unit "
            "(us ms s min h d), as in '500 ms')"
        ],
    ),
    "window size given twice": (
        ("{10 s: {reopen_for: 15 min}", "{60 min: {reopen_for: 15 min}"),
        ["plant.yaml:22: windows.sizes: size '1 h' is the same as '60 min' (remove one)"],
    ),
    "window of no length": (
        ("{10 s:", "{0 s:"),
        [
            "plant.yaml:22: windows.sizes.0 s: '0 us' is no time at all "
            "(write a duration above zero)"
        ],
    ),
    "windows that hop past each other": (
        ("{10 s: {reopen_for: 15 min}", "{10 s: {reopen_for: 15 min, every: 3 s}"),
        [
            "plant.yaml:22: windows.sizes: windows of '10 s' cannot begin every '3 s' "
            "(the size must be a multiple of it, at most 10000 times as long)"
        ],
    ),
    "wrong type": (
        ("sampling: 50 ms", "port: seven"),
        ["plant.yaml:12: sources.press.port: 'seven' is no whole number"],
    ),
    "number out of range": (
        ("sampling: 50 ms", "port: 0"),
        ["plant.yaml:12: sources.press.port: 0 is refused: should be greater than or equal to 1"],
    ),
    "number where text belongs": (
        ("url: meter://one", "url: 17"),
        ["plant.yaml:11: sources.press.url: 17 is no text (write it in quotes)"],
    ),
    "list where a section belongs": (
        ("  sizes: {10 s: {reopen_for: 15 min}, 1 h: {reopen_for: 7 d}}", "  - 10 s"),
        ["plant.yaml:21: windows: a list is no section (write 'key: value' lines below it)"],
    ),
    "unknown choice": (
        ("{certificate:", "{mode: SignAndEncript, certificate:"),
        [
            "plant.yaml:13: sources.press.security.mode: 'SignAndEncript' is not known "
            "(did you mean 'SignAndEncrypt'?)"
        ],
    ),
    "unknown time zone": (
        ("Europe/Berlin", "Europe/Berln"),
        [
            "plant.yaml:2: site.timezone: 'Europe/Berln' is no time zone "
            "(did you mean 'Europe/Berlin'?)"
        ],
    ),
    "unknown connector": (
        ("type: meter", "type: metre"),
        [
            "plant.yaml:10: sources.press.type: there is no connector 'metre' "
            "(did you mean 'meter'?)"
        ],
    ),
    "connector that cannot be imported": (
        ("type: meter", "type: broken"),
        [
            "plant.yaml:10: sources.press.type: connector 'broken' cannot be loaded: "
            "no module 'x' (install what it needs)"
        ],
    ),
    "no connector": (
        ("    type: meter\n", ""),
        ["plant.yaml:9: sources.press.type: is missing (known here: broken, meter)"],
    ),
    "duplicate key": (
        ("    url: meter://one\n", "    url: meter://one\n    url: meter://two\n"),
        [
            "plant.yaml:12: sources.press.url: key given twice, first on line 11 (remove one)",
        ],
    ),
    "malformed YAML": (
        ("  packml: {state:", "  packml: [state:"),
        [
            "plant.yaml:16:57: malformed YAML: expected ',' or ']', but got '}', "
            "while parsing a flow sequence "
            "(close the bracket that line 16 opens, or put a comma before this)"
        ],
    ),
    "tab": (
        ("  press:\n", "\tpress:\n"),
        [
            "plant.yaml:9:1: malformed YAML: found character '\\t' that cannot start any token, "
            "while scanning for the next token (indent with spaces)"
        ],
    ),
    "indentation": (
        ("    url: meter://one\n", "      url: meter://one\n"),
        [
            "plant.yaml:11:10: malformed YAML: mapping values are not allowed here "
            "(check the indentation, and put text that holds ': ' into quotes)"
        ],
    ),
    "indentation to the left": (
        ("    url: meter://one\n", "   url: meter://one\n"),
        [
            "plant.yaml:11:4: malformed YAML: expected <block end>, but found "
            "'<block mapping start>', while parsing a block mapping that begins on line 9 "
            "(check the indentation of this line and of those above)"
        ],
    ),
    "colon in plain text": (
        ("url: meter://one", "url: meter: one"),
        [
            "plant.yaml:11:15: malformed YAML: mapping values are not allowed here "
            "(check the indentation, and put text that holds ': ' into quotes)"
        ],
    ),
    "missing tag list": (
        ("tags/press.csv", "tags/pres.csv"),
        [
            "plant.yaml:14: sources.press.tags: tags/pres.csv: there is no such tag list "
            "(write the file or correct 'tags')"
        ],
    ),
    "folder for a tag list": (
        ("tags/press.csv", "tags"),
        ["plant.yaml:14: sources.press.tags: tags: is no file (write the file or correct 'tags')"],
    ),
    "missing certificate": (
        ("certs/client.der", "certs/cleint.der"),
        [
            "plant.yaml:13: sources.press.security.certificate: there is no file or folder "
            "certs/cleint.der (put it there or correct the path)"
        ],
    ),
    "missing secret": (
        ("file:secrets/press", "file:secrets/pres"),
        [
            "plant.yaml:13: sources.press.security.password: secret file secrets/pres is missing "
            "or cannot be read (write the secret into it, readable by Penstock's user only)"
        ],
    ),
    "missing environment variable": (
        ("file:secrets/press", "env:PENSTOCK_TEST_NOT_SET"),
        [
            "plant.yaml:13: sources.press.security.password: environment variable "
            "PENSTOCK_TEST_NOT_SET is not set (set it before starting)"
        ],
    ),
    "unknown reference": (
        ("file:secrets/press", "secrets/press"),
        [
            "plant.yaml:13: sources.press.security.password: '${secrets/press}' is no reference "
            "(write ${file:PATH} or ${env:NAME}, and $${ for a plain ${)"
        ],
    ),
    "constraint in another line": (
        ("constraint: press07", "constraint: pres07"),
        [
            "plant.yaml:7: lines.stamping/line1.constraint: 'pres07' is no asset of this line "
            "(did you mean 'press07'?)"
        ],
    ),
    "line without assets": (
        ("  stamping/line1: {constraint", "  stamping/line2: {constraint"),
        [
            "plant.yaml:7: lines.stamping/line2: no asset is in this line "
            "(did you mean 'stamping/line1'?)"
        ],
    ),
    "calendar that is not there": (
        ("press07: {calendar: 3shift", "press07: {calendar: 2shift"),
        [
            "plant.yaml:4: assets.stamping/line1/press07.calendar: '2shift' is not in 'calendars' "
            "(did you mean '3shift'?)"
        ],
    ),
    "states that are not there": (
        ("states: packml}", "states: pump}"),
        [
            "plant.yaml:4: assets.stamping/line1/press07.states: 'pump' is not in 'states' "
            "(known here: packml)"
        ],
    ),
    "asset not declared": (
        ("  stamping/line1/press07: {", "  stamping/line1/press08: {"),
        [
            "plant.yaml:7: lines.stamping/line1.constraint: 'press07' is no asset of this line "
            "(did you mean 'press08'?)",
            "tags/press.csv:2: column asset: 'stamping/line1/press07' is not in the "
            "configuration's 'assets' (did you mean 'stamping/line1/press08'?)",
        ],
    ),
    "source that is stale at once": (
        ("sampling: 50 ms", "stale_after: 0 s"),
        [
            "plant.yaml:12: sources.press.stale_after: '0 us' is no time at all "
            "(write a duration above zero)"
        ],
    ),
    "SASL without all that it needs": (
        ("version: 1", "kafka: {security: SASL_SSL, user: penstock}"),
        [
            "plant.yaml:1: kafka: security SASL_SSL lacks mechanism, password "
            "(set mechanism, user and password)"
        ],
    ),
    "a user of Kafka who would not be used": (
        ("version: 1", "kafka: {user: penstock}"),
        [
            "plant.yaml:1: kafka: user would not be used with security PLAINTEXT "
            "(set security to SASL_SSL, or remove what is not used)"
        ],
    ),
    "YAML 1.1": (
        ("version: 1", "%YAML 1.1\n---\nversion: 1"),
        [
            "plant.yaml: is YAML 1.1, where 22:00 is 1320 and off is false "
            "(remove its line '%YAML 1.1')"
        ],
    ),
    "tag that does not fit": (
        ("sampling: 50 ms", "port: !!int x"),
        [
            "plant.yaml:12: sources.press.port: 'x' is no int",
            "plant.yaml:12: sources.press.port: nothing is no whole number",
        ],
    ),
    "tag of another language": (
        ("url: meter://one", "url: !!python/name:os.system x"),
        [
            "plant.yaml:11: sources.press.url: tag tag:yaml.org,2002:python/name:os.system is not "
            "understood (remove it)",
            "plant.yaml:11: sources.press.url: nothing is no text (write it in quotes)",
        ],
    ),
}


@pytest.mark.parametrize(("edit", "expected"), SLIPS.values(), ids=list(SLIPS))
def test_names_place_fault_and_remedy(
    folder: Path, edit: tuple[str, str], expected: list[str]
) -> None:
    before, after = edit
    assert PLANT.count(before) == 1
    (folder / "plant.yaml").write_text(PLANT.replace(before, after))
    assert problems() == expected


def test_reports_everything_at_once(folder: Path) -> None:
    slips = PLANT.replace("version: 1", "verison: 1").replace("50 ms", "50")
    (folder / "plant.yaml").write_text(slips.replace("packml}", "pump}"))
    (folder / "tags/press.csv").write_text(TAGS.replace("0,5", "x"))
    with pytest.raises(InvalidConfigurationError) as caught:
        load_plant(Path("plant.yaml"))
    places = [problem.where for problem in caught.value.problems]
    assert places == ["plant.yaml:1", "plant.yaml:4", "plant.yaml:12", "tags/press.csv:2"]
    assert str(caught.value).startswith("4 problems in the configuration\nplant.yaml:1: verison:")
    assert caught.value.exit_code == 2


def test_lets_the_connector_judge_addresses(folder: Path) -> None:
    (folder / "tags/press.csv").write_text(TAGS.replace(";17;", ";x17;"))
    assert problems() == ["tags/press.csv:2: column address: 'x17' is no number (write it as 17)"]


def test_refuses_a_tag_that_another_source_has(folder: Path) -> None:
    second = "  second: {type: meter, url: meter://two, tags: tags/more.csv}\nstates:\n  packml"
    (folder / "plant.yaml").write_text(PLANT.replace("states:\n  packml", second))
    (folder / "tags/more.csv").write_text(TAGS)
    assert problems() == [
        "tags/more.csv:2: column tag: stamping/line1/press07 has a tag 'force' already, "
        "at tags/press.csv:2 (give each tag of an asset its own name)"
    ]


def test_names_an_asset_that_is_missing_once(folder: Path) -> None:
    rows = "stamping/line1/press08;force;17;;\nstamping/line1/press08;speed;18;;\n"
    (folder / "tags/press.csv").write_text(TAGS + rows)
    assert problems() == [
        "tags/press.csv:3: column asset: 'stamping/line1/press08' is not in the configuration's "
        "'assets', 2 rows name it (did you mean 'stamping/line1/press07'?)"
    ]


def test_takes_blanks_out_of_the_list_of_brokers(folder: Path) -> None:
    (folder / "plant.yaml").write_text(f"{PLANT}kafka: {{bootstrap: ' a:9092, b:9092 '}}\n")
    assert load_plant(Path("plant.yaml")).kafka.bootstrap == "a:9092,b:9092"


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "just text\n"])
def test_refuses_what_is_no_mapping(folder: Path, text: str) -> None:
    (folder / "plant.yaml").write_text(text)
    assert problems() == [
        "plant.yaml:1: is no configuration (penstock init writes one to start from)"
    ]


def test_names_a_missing_file(folder: Path) -> None:
    assert problems("plants.yaml") == [
        "plants.yaml: there is no such file (penstock init . writes one)"
    ]


def test_refuses_what_is_not_utf8(folder: Path) -> None:
    (folder / "plant.yaml").write_bytes("site: {path: acme/münchen}".encode("cp1252"))
    assert problems() == ["plant.yaml: byte 19 is not UTF-8 (save the file as UTF-8)"]


def test_refuses_what_is_nested_too_deep(folder: Path) -> None:
    (folder / "plant.yaml").write_text("a: " + "[" * 1000)
    assert problems() == ["plant.yaml: is nested too deep"]


def test_an_alias_in_itself_ends(folder: Path) -> None:
    (folder / "plant.yaml").write_text(f"{PLANT}kafka: {{options: &o {{a: *o}}}}\n")
    assert problems()[0] == "plant.yaml:25: kafka.options.a: an alias refers to what it is in"


class TestOneComponent:
    def test_leaves_others_out_whatever_is_wrong_with_their_settings(self, folder: Path) -> None:
        (folder / "secrets/press").unlink()
        (folder / "plant.yaml").write_text(PLANT.replace("meter://one", "[]"))
        plant = load_component(Path("plant.yaml"), "sinks", "lake")
        assert (set(plant.sinks), plant.sources, plant.processors) == ({"lake"}, {}, {})
        assert plant.tags["press"]

    def test_of_the_processors_runs_with_its_defaults(self, folder: Path) -> None:
        assert load_component(Path("plant.yaml"), "processors", "trend").processors == {}

    def test_is_judged_itself(self, folder: Path) -> None:
        (folder / "secrets/press").unlink()
        with pytest.raises(InvalidConfigurationError, match=r"secrets/press"):
            load_component(Path("plant.yaml"), "sources", "press")

    @pytest.mark.parametrize(
        ("section", "name", "near"),
        [("sources", "pres", "press"), ("sinks", "lak", "lake"), ("processors", "trends", "trend")],
    )
    def test_that_there_is_not_is_named(
        self, folder: Path, section: Section, name: str, near: str
    ) -> None:
        for load in (
            lambda: load_component(Path("plant.yaml"), section, name),
            lambda: load_plant(Path("plant.yaml"), [(section, name)]),
        ):
            with pytest.raises(InvalidConfigurationError) as caught:
                load()
            (problem,) = caught.value.problems
            assert f"there is no {section.removesuffix('s')} {name!r}" in problem.message
            assert problem.remedy == f"did you mean {near!r}?"


class TestSecrets:
    def test_come_from_the_environment_inside_text(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PENSTOCK_TEST_HOST", "two")
        text = PLANT.replace("meter://one", '"meter://${env:PENSTOCK_TEST_HOST}/$${x}"')
        (folder / "plant.yaml").write_text(text)
        assert load_plant(Path("plant.yaml")).sources["press"].url == "meter://two/${x}"

    def test_of_others_need_not_be_there(self, folder: Path) -> None:
        (folder / "secrets/press").unlink()
        (folder / "certs/client.der").unlink()
        for needs in ([], [("sinks",)], [("sinks", "lake")], [("processors", "trend")]):
            plant = load_plant(Path("plant.yaml"), needs)
            assert plant.sources["press"].security.password.get_secret_value() == MASK
        assert len(problems()) == 2
        for needed in (("sources",), ("sources", "press")):
            with pytest.raises(InvalidConfigurationError) as caught:
                load_plant(Path("plant.yaml"), [needed])
            assert len(caught.value.problems) == 2

    def test_of_kafka_are_everybodys(self, folder: Path) -> None:
        text = 'kafka: {bootstrap: "${env:PENSTOCK_TEST_NOT_SET}"}\n'
        (folder / "plant.yaml").write_text(PLANT + text)
        with pytest.raises(InvalidConfigurationError, match="PENSTOCK_TEST_NOT_SET is not set"):
            load_plant(Path("plant.yaml"), [])

    def test_never_show_in_what_is_read(self, folder: Path) -> None:
        kafka = (
            "kafka: {security: SASL_SSL, mechanism: PLAIN, user: penstock, "
            'password: "${file:secrets/press}", options: {x: "${file:secrets/press}"}}'
        )
        (folder / "plant.yaml").write_text(f"{PLANT}{kafka}\n")
        plant = load_plant(Path("plant.yaml"))
        assert plant.kafka.options["x"] == "hunter2"
        assert "hunter2" not in repr(plant) + str(plant) + repr(plant.sources["press"])

    def test_never_show_in_errors(self, folder: Path) -> None:
        text = PLANT.replace("sampling: 50 ms", 'sampling: "${file:secrets/press}"')
        (folder / "plant.yaml").write_text(text)
        assert problems() == [
            "plant.yaml:12: sources.press.sampling: '**********' is no duration (write number "
            "and unit (us ms s min h d), as in '500 ms')"
        ]

    def test_do_not_show_in_other_problems(self, folder: Path) -> None:
        (folder / "secrets/press").write_text("s\n")
        text = PLANT.replace("sampling: 50 ms", 'sampling: "${file:secrets/press}"')
        (folder / "plant.yaml").write_text(text.replace("tags/press.csv", "tags/pres.csv"))
        assert problems() == [
            "plant.yaml:12: sources.press.sampling: '**********' is no duration (write number "
            "and unit (us ms s min h d), as in '500 ms')",
            "plant.yaml:14: sources.press.tags: tags/pres.csv: there is no such tag list "
            "(write the file or correct 'tags')",
        ]

    def test_written_into_the_file_do_not_show_in_errors_either(self, folder: Path) -> None:
        text = PLANT.replace('"${file:secrets/press}"', "4711")
        (folder / "plant.yaml").write_text(text)
        assert problems() == [
            "plant.yaml:13: sources.press.security.password: the value is no text "
            "(write it in quotes)"
        ]


def test_processors_have_settings_of_their_own(folder: Path) -> None:
    (folder / "plant.yaml").write_text(f"{PLANT}processors:\n  trend: {{span: 2 h}}\n")
    trend = load_plant(Path("plant.yaml")).processors["trend"]
    assert (trend.span, trend.enabled) == (timedelta(hours=2), None)
    slips = "  trend: {spam: 2 h, enabled: 7}\n  trent: {}\n"
    (folder / "plant.yaml").write_text(f"{PLANT}processors:\n{slips}")
    assert problems() == [
        "plant.yaml:26: processors.trend.enabled: 7 is neither true nor false",
        "plant.yaml:26: processors.trend.spam: unknown key (did you mean 'span'?)",
        "plant.yaml:27: processors.trent: there is no processor 'trent' (did you mean 'trend'?)",
    ]


@pytest.mark.parametrize("name", ["../util", "la ke/x", "..", "", "-x", "ü"])
def test_names_of_sources_fit_where_they_are_used(name: str, folder: Path) -> None:
    text = PLANT.replace("  press:\n", f"  {name!r}:\n", 1)
    (folder / "plant.yaml").write_text(text)
    assert any("is no name" in problem for problem in problems())


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("kafka: {bootstrap: 'a:9092,broker'}", "'broker' has no port"),
        ("registry: {url: 'localhost:8081'}", "it begins with http:// or https://"),
    ],
)
def test_an_address_is_whole(folder: Path, section: str, told: str) -> None:
    (folder / "plant.yaml").write_text(f"{PLANT}{section}\n")
    with pytest.raises(InvalidConfigurationError, match=told):
        load_plant(folder / "plant.yaml")
