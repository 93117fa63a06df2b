"""The page's web application: static files, one stream of server-sent events, pictures, metrics."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.alerts.picture import picture
from penstock.console.access import COOKIE, Access
from penstock.console.metrics import registry
from penstock.console.reader import Reader
from penstock.console.view import View

TICK_SECONDS: Final = 1.0
MOST_BROWSERS: Final = 500
"""Streams at once; more are asked to come back later."""
_FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/console.css": ("console.css", "text/css; charset=utf-8"),
    "/console.js": ("console.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/favicon.ico": ("icon.svg", "image/svg+xml"),
}
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


_OPEN: Final = ("/enter", "/healthz")
"""What needs no token: showing it, and the probes of a cluster."""


class _Guard:
    """Puts the headers on every answer, and lets nobody in who does not show the token."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    *((name.encode(), value.encode()) for name, value in _HEADERS.items()),
                ]
            await send(message)

        request = Request(scope)
        if request.url.path not in _OPEN and not self._access.admits(request):
            text = "This page wants its token: open the address that 'penstock console' printed.\n"
            await PlainTextResponse(text, 401)(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)


class Ticker:
    """Makes each message once per tick for all browsers, and only what somebody looks at.

    There are no queues: a browser that is slow gets the newest message when it is ready for one,
    so that what is kept does not grow with their number or slowness.
    """

    def __init__(self, view: View, reader: Reader, seconds: float) -> None:
        self._view = view
        self._reader = reader
        self._seconds = seconds
        self._number = 0
        self._made: dict[str | None, bytes] = {}
        self._turn = asyncio.Condition()
        self._ended = False
        self.browsers = 0

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Tick until `stopping()`; then the streams end."""
        while not self._ended:
            async with self._turn:
                self._ended = stopping()
                self._number += 1
                self._made.clear()
                self._turn.notify_all()
            await asyncio.sleep(self._seconds)

    async def messages(self, machine: str | None) -> AsyncIterator[bytes]:
        """Server-sent events, as long as the browser takes them."""
        seen = 0
        self.browsers += 1
        try:
            while True:
                async with self._turn:
                    await self._turn.wait_for(lambda: self._number > seen)  # noqa: B023
                    seen = self._number
                    if self._ended:
                        return
                    message = self._message(machine)
                yield message
        finally:
            self.browsers -= 1

    def _message(self, machine: str | None) -> bytes:
        if machine not in self._made:
            self._made[machine] = b"data: " + self.state(machine) + b"\n\n"
        return self._made[machine]

    def state(self, machine: str | None) -> bytes:
        """What a page shows now, as JSON."""
        shown: dict[str, Any] = {
            **self._view.overview(),
            "trouble": self._reader.trouble,
            "machine": None if machine is None else self._view.machine(machine),
        }
        return json.dumps(shown, allow_nan=False, separators=(",", ":")).encode()


class _Routes:
    """What the application answers, route by route.

    Args:
        view: What is shown.
        reader: Tells whether the view is up to date.
        access: Who gets in.
        ticker: Makes the messages that browsers wait for.
    """

    def __init__(self, view: View, reader: Reader, access: Access, ticker: Ticker) -> None:
        self._view = view
        self._reader = reader
        self._access = access
        self._ticker = ticker
        self._exported = registry(view, reader, lambda: ticker.browsers)

    def all(self) -> list[Route]:
        """Each path with its answer."""
        return [
            *(Route(path, self.static) for path in _FILES),
            Route("/events", self.events),
            Route("/state", self.state),
            Route("/alerts/{id:path}.svg", self.plot),
            Route("/enter", self.enter),
            Route("/metrics", self.metrics),
            Route("/healthz", self.health),
        ]

    async def static(self, request: Request) -> Response:
        """A file of the page."""
        name, kind = _FILES[request.url.path]
        content = files("penstock.console").joinpath("static", name).read_bytes()
        return Response(content, media_type=kind)

    async def events(self, request: Request) -> Response:
        """The state, again and again, as server-sent events."""
        if self._ticker.browsers >= MOST_BROWSERS:
            return PlainTextResponse("too many browsers look\n", 503, {"retry-after": "10"})
        machine = request.query_params.get("machine")
        if machine not in self._view.layout.machines:
            machine = None
        return StreamingResponse(self._ticker.messages(machine), media_type="text/event-stream")

    async def state(self, request: Request) -> Response:
        """The state, once."""
        machine = request.query_params.get("machine")
        if machine is not None and machine not in self._view.layout.machines:
            return JSONResponse({"error": "there is no such machine"}, 404)
        return Response(self._ticker.state(machine), media_type="application/json")

    async def plot(self, request: Request) -> Response:
        """An alert's picture."""
        alert = self._view.found(request.path_params["id"])
        if alert is None:
            return PlainTextResponse("there is no such alert\n", 404)
        return Response(picture(alert), media_type="image/svg+xml")

    async def enter(self, request: Request) -> Response:
        """Take the token, and remember it in a cookie."""
        # What is read from a file or a Secret often ends with a newline, as the file does.
        if not self._access.knows(request.query_params.get("token", "").strip()):
            return PlainTextResponse("this is not the token\n", 401)
        answer = RedirectResponse("/", 303)
        secure = self._access.certificate is not None
        answer.set_cookie(
            COOKIE, self._access.token or "", httponly=True, secure=secure, samesite="strict"
        )
        return answer

    async def metrics(self, _: Request) -> Response:
        """Of the console itself."""
        return Response(generate_latest(self._exported), media_type=CONTENT_TYPE_LATEST)

    async def health(self, request: Request) -> Response:
        """Whether it reads; why not is told only to whom may know."""
        ready = self._reader.trouble is None
        report: dict[str, object] = {"ready": ready}
        if self._access.admits(request):
            report["trouble"] = self._reader.trouble
        return JSONResponse(report, 200 if ready else 503)


def application(
    view: View, reader: Reader, access: Access, *, tick_seconds: float = TICK_SECONDS
) -> Starlette:
    """The application; its routes only read.

    Args:
        view: What is shown.
        reader: Tells whether the view is up to date.
        access: Who gets in.
        tick_seconds: Between two messages.
    """
    ticker = Ticker(view, reader, tick_seconds)
    app = Starlette(
        routes=_Routes(view, reader, access, ticker).all(),
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=access.hosts),
            Middleware(_Guard, access=access),
        ],
    )
    app.state.ticker = ticker
    return app
