"""The stack's commands: JSON for scripts, and exit codes."""

import json
import socket
from pathlib import Path

import typer
from typer.testing import CliRunner

from penstock.cli.stack import register
from penstock.local.ports import HOST


def test_the_command_line_speaks_json_and_exit_codes(tmp_path: Path) -> None:
    app = typer.Typer()
    register(app)
    run, place = CliRunner(), ["--dir", str(tmp_path / "stack"), "--json"]
    status = run.invoke(app, ["status", *place])
    assert status.exit_code == 4
    assert json.loads(status.stdout)["up"] is False
    down = run.invoke(app, ["down", *place])
    assert (down.exit_code, json.loads(down.stdout)) == (0, {"stopped": []})
    with socket.create_server((HOST, 0)) as server:
        port = str(server.getsockname()[1])
        found = run.invoke(app, ["doctor", *place, "--kafka-port", port, "--registry-port", "0"])
    assert found.exit_code == 4
    assert json.loads(found.stdout)["ok"] is False
