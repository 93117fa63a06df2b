"""What probes see of a process over HTTP."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing

import pytest

from penstock.errors import ConfigurationError
from penstock.health import HealthServer, Status
from penstock.metrics import SINK_RECORDS


@pytest.fixture
def status() -> Status:
    return Status()


@pytest.fixture
def server(status: Status) -> Iterator[HealthServer]:
    server = HealthServer(status)
    yield server
    server.close()


def get(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_alive_from_the_start_ready_when_said(server: HealthServer, status: Status) -> None:
    assert get(server, "/healthz")[0] == 200
    assert get(server, "/readyz")[0] == 503
    status.ready = True
    assert get(server, "/readyz")[0] == 200


def test_a_failure_is_not_ready_and_says_why_but_no_restart_is_asked_for(
    server: HealthServer, status: Status
) -> None:
    status.ready = True
    status.fail("the topic was recreated")
    code, body = get(server, "/readyz")
    assert code == 503
    assert json.loads(body)["failure"] == "the topic was recreated"
    assert get(server, "/healthz")[0] == 200


def test_a_main_loop_that_hangs_is_not_alive() -> None:
    time = 0.0
    status = Status(lambda: time)
    time = 1e6
    assert status.alive, "a process that never beats is judged by its exit alone"
    status.beat()
    time += 59
    assert status.alive
    time += 2
    assert not status.alive


def test_the_status_tells_all_notes(server: HealthServer, status: Status) -> None:
    status.note(component="sink-lake", last_error="disk full")
    code, body = get(server, "/status")
    assert code == 200
    assert json.loads(body) == {
        "ready": False, "failure": None, "component": "sink-lake", "last_error": "disk full",
    }  # fmt: skip


def test_metrics_are_in_the_text_format_of_prometheus(server: HealthServer) -> None:
    SINK_RECORDS.labels("health-test").inc(3)
    code, body = get(server, "/metrics")
    assert code == 200
    assert 'penstock_sink_records_total{sink="health-test"} 3.0' in body.splitlines()


def test_other_paths_are_not_found(server: HealthServer) -> None:
    assert get(server, "/")[0] == 404
    assert get(server, "/metrics2")[0] == 404


def test_a_silent_client_does_not_keep_others_waiting(server: HealthServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)):
        assert get(server, "/healthz")[0] == 200


def test_nothing_listens_after_close(status: Status) -> None:
    server = HealthServer(status)
    server.close()
    with closing(socket.socket()) as client:
        assert client.connect_ex(("127.0.0.1", server.port)) != 0


def test_a_taken_port_is_named(server: HealthServer, status: Status) -> None:
    with pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1:{server.port}.*--port"):
        HealthServer(status, port=server.port)
