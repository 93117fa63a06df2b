"""The command line loads what is asked for, and knows all that it has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli import MODULES, app, everything


def test_each_module_registers_the_commands_that_the_table_names() -> None:
    named = [name for names in MODULES.values() for name in names]
    assert list(everything().commands) == named


def test_a_mistyped_command_is_answered_with_the_nearest() -> None:
    done = CliRunner().invoke(app, ["statsu"])
    assert done.exit_code == 2
    assert "Did you mean 'status'" in done.output


@pytest.mark.parametrize("words", ["validate --help", "--version"])
def test_what_a_command_does_not_need_is_not_imported(words: str) -> None:
    code = (
        "import sys; from penstock.cli import main; sys.argv[1:] = sys.argv[1].split()\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, words], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "penstock.cli" in loaded
    assert not loaded & {"duckdb", "deltalake", "penstock.cli.demo"}


def test_the_error_that_ends_a_process_is_left_where_it_is_asked_for(tmp_path: Path) -> None:
    word = tmp_path / "termination-log"
    command = [sys.executable, "-m", "penstock", "validate", str(tmp_path / "none.yaml")]
    environment = os.environ | {"PENSTOCK_LAST_WORD": str(word)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert word.read_text().startswith("error PEN-1")
    assert "none.yaml" in word.read_text()
    environment["PENSTOCK_LAST_WORD"] = str(tmp_path)  # cannot be written
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr) == (done.returncode, done.stderr)
