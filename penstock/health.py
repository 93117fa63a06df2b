"""What a process says of itself over HTTP: /healthz, /readyz, /status (JSON) and /metrics."""

import json
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from penstock.errors import ConfigurationError

SILENCE: Final = 60.0
"""Seconds without a beat after which a process counts as hung."""

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Status:
    """Whether a process is alive and ready, and what it wants people to know.

    *Alive* means that its main loop goes round: restarting it would not help. *Ready* means that it
    does its work right now. What failed for a reason that only a person mends is alive, not ready.

    Args:
        monotonic: Seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.ready = False
        self.failure: str | None = None
        self._monotonic = monotonic
        self._beat: float | None = None
        self._notes: dict[str, Any] = {}
        self._lock = threading.Lock()

    def fail(self, reason: str) -> None:
        """Say that the process cannot go on by itself; `reason` is shown."""
        self.failure = reason
        self.ready = False

    def beat(self) -> None:
        """The main loop goes round; once called, it is to be called again within `SILENCE`."""
        self._beat = self._monotonic()

    @property
    def alive(self) -> bool:
        """Whether the main loop goes round, as far as it says so."""
        return self._beat is None or self._monotonic() - self._beat < SILENCE

    def note(self, **notes: Any) -> None:
        """Tell more, as the last error; shown under /status."""
        with self._lock:
            self._notes.update(notes)

    def report(self) -> dict[str, Any]:
        """All of it, for JSON."""
        with self._lock:
            return {"ready": self.ready, "failure": self.failure, **self._notes}


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 10.0
    """Seconds for a client to say what it wants, so that silent ones do not pile up."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Probes come every second: not worth a line."""


class HealthServer:
    """Serves a `Status` and this process's metrics in a thread.

    Args:
        status: What is served.
        host: Address to listen on; loopback unless a cluster's probes come from outside.
        port: 0 for a free one.

    Raises:
        ConfigurationError: The address is taken or is not ours.
    """

    def __init__(self, status: Status, host: str = "127.0.0.1", port: int = 0) -> None:
        self._status = status
        self._metrics = make_wsgi_app()
        try:
            self._server = make_server(host, port, self._app, _Server, _Quiet)
        except OSError as error:
            msg = f"health and metrics cannot be served here: {error.strerror or error}"
            raise ConfigurationError(
                msg, where=f"{host}:{port}", remedy="choose another --host or --port"
            ) from error
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="health", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _app(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics(environ, start_response)
            return answer
        report = self._status.report()
        states = {
            "/healthz": self._status.alive,
            "/readyz": self._status.ready,
            "/status": True,
        }
        if path not in states:
            status = HTTPStatus.NOT_FOUND
        else:
            status = HTTPStatus.OK if states[path] else HTTPStatus.SERVICE_UNAVAILABLE
        start_response(f"{status.value} {status.phrase}", [("Content-Type", "application/json")])
        return [json.dumps(report, default=str).encode()]
