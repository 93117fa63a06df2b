"""The likeliest mistakes, and the words in which the command line answers each.

A text changes here only on purpose: people search for it.
"""

import re
import sys
from pathlib import Path

import pytest

from penstock.cli import main
from penstock.local.ports import free_port

PLANT = """\
site: {path: acme/bremen}
assets:
  stamping/line1/pump03: {}
sources:
  utilities: {type: modbus, host: 127.0.0.1, tags: utilities.csv}
windows:
  sizes: {10 s: {reopen_for: 15 min}}
sinks:
  lake: {type: parquet, path: ./lake}
kafka: {bootstrap: "127.0.0.1:PORT"}
registry: {url: "http://127.0.0.1:PORT/apis/ccompat/v7"}
"""
TAGS = "asset,tag,address,type\nstamping/line1/pump03,current,1/40021,float32\n"
VALIDATE = ["validate", "plant.yaml"]
CONFIG = ["--config", "plant.yaml"]

# What is written instead of what, and what is called; `golden/mistakes.txt` has the answers.
MISTAKES = {
    "the file is not there": ("", "", ["validate", "plnt.yaml"]),
    "a comma is missing in YAML": ("{path: acme/bremen}", "{path: acme/bremen", VALIDATE),
    "a key is misspelt": ("windows:", "window:", VALIDATE),
    "a duration has no unit": ("15 min", "15", VALIDATE),
    "a type is misspelt": ("type: modbus", "type: modbuss", VALIDATE),
    "the tag list is not there": ("utilities.csv", "utility.csv", VALIDATE),
    "a column is misspelt": (",address,", ",adress,", VALIDATE),
    "a tag is there twice": (
        "float32\n", "float32\nstamping/line1/pump03,current,1/40023,float32\n", VALIDATE,
    ),
    "an address is none": ("1/40021", "40021", VALIDATE),
    "a value's type is none": ("float32", "flaot32", VALIDATE),
    "an asset is not declared": ("pump03,current", "pump3,current", VALIDATE),
    "a secret is not there": (
        "{bootstrap:", "{security: SASL_SSL, mechanism: PLAIN, user: me, "
        "password: '${env:NO_SUCH_SECRET}', bootstrap:", VALIDATE,
    ),
    "SASL is half set": ("{bootstrap:", "{security: SASL_SSL, user: me, bootstrap:", VALIDATE),
    "an option of Kafka is none": (
        "{bootstrap:", "{options: {acks.all: 'yes'}, bootstrap:", ["streams", "status", *CONFIG],
    ),
    "Kafka does not run": ("", "", ["streams", "park", "window-statistics", *CONFIG]),
    "a processor is misspelt": ("", "", ["streams", "park", "window-statistic", *CONFIG]),
    "there is no lake yet": ("", "", ["lake", "query", "select 1", *CONFIG]),
    "the path is no lake": ("", "", ["lake", "check", "--lake", "nowhere"]),
    "a time is none": ("", "", ["dlq", "list", "--since", "yesterday", *CONFIG]),
    "the window of compaction is none": ("", "", ["lake", "vacuum", "--keep", "a week", *CONFIG]),
    "a pattern is like no tag": (
        "", "", ["connectors", "watch", "utilities", "--match", "*power*", *CONFIG],
    ),
    "a row is for an unknown asset": (
        "", "", ["connectors", "read", "utilities", "1/40021", "--pick", "1",
                 "--asset", "stamping/line1/pump3", "--tag", "flow", *CONFIG],
    ),
    "a counter is taken for the time": (
        TAGS, "part,flow\n1,0.5\n2,0.7\n", ["replay", "utilities.csv", *CONFIG],
    ),
    "a factory is built among other files": ("", "", ["simulate", "."]),
}  # fmt: skip

GOLDEN = Path(__file__).parents[1] / "golden" / "mistakes.txt"
ANSWERS = dict(
    part.split("\n", 1) for part in re.split(r"^# ", GOLDEN.read_text("utf-8"), flags=re.M)[1:]
)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_answer_names_place_fault_and_remedy(
    mistake: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    right, wrong, words = MISTAKES[mistake]
    port = str(free_port())
    for name, text in {"plant.yaml": PLANT.replace("PORT", port), "utilities.csv": TAGS}.items():
        (tmp_path / name).write_text(text.replace(right, wrong, 1) if right else text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["penstock", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code
    said = capsys.readouterr().err.replace(str(tmp_path), "…").replace(port, "PORT")
    assert said == ANSWERS[mistake]
