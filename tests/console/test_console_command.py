"""`penstock console` as it is run: where it says the page's address, and how much of it."""

import os
import pty
import subprocess
import sys

import pytest

from penstock.factory import write_factory

TOKEN = "a+token/of=24-characters"
QUOTED = "a%2Btoken%2Fof%3D24-characters"


@pytest.fixture
def command(tmp_path):
    """On a free port, its token in a file; there is no Kafka, which it waits for."""
    nowhere = "127.0.0.1:9"
    plant = write_factory(tmp_path, opcua_port=4840, modbus_port=5020, bootstrap=nowhere).plant
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    return [sys.executable, "-m", "penstock", "console", "--config", str(plant), "--port", "0",
            "--no-qr", "--token-file", str(token)]  # fmt: skip


def first_line(command, stdout, read):
    """What it says first on what is its standard output, until it listens."""
    process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL)
    try:
        return read(process)
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def test_what_goes_into_a_log_has_no_token(command):
    line = first_line(command, subprocess.PIPE, lambda process: process.stdout.readline()).decode()
    assert line.startswith("the console is at http://127.0.0.1:") and line.endswith("/\n")


def test_who_sits_at_a_terminal_gets_an_address_that_opens_the_page(command):
    ours, its = pty.openpty()

    def read(_):
        os.close(its)  # so that the end of the process ends the reading, too
        return terminal.readline()

    with os.fdopen(ours, "rb") as terminal:
        line = first_line(command, its, read).decode()
    assert line.startswith("the console is at http://127.0.0.1:")
    assert line.strip().endswith(f"/enter?token={QUOTED}")
