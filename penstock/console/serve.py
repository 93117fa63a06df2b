"""Serves the page until it is stopped."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import uvicorn
from starlette.applications import Starlette

from penstock.console.access import Access
from penstock.console.app import application
from penstock.console.layout import layout
from penstock.console.reader import Reader
from penstock.console.view import View
from penstock.errors import ConfigurationError
from penstock.settings.plant import Plant

_GRACE_SECONDS: Final = 2
_BACKLOG: Final = 512


def serve(plant: Plant, access: Access, port: int, opened: Callable[[int], None]) -> None:
    """Read the topics and serve the page, until SIGINT or SIGTERM.

    Args:
        plant: Whose lines are shown.
        access: Where, and who gets in.
        port: 0 for a free one.
        opened: Told the port once it listens.

    Raises:
        ConfigurationError: The address is taken or not ours, or the certificate cannot be used.
    """
    view = View(layout(plant))
    reader = Reader(plant, view)
    app = application(view, reader, access)
    listener = listen(access.host, port)
    try:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            ssl_certfile=access.certificate,
            ssl_keyfile=access.key,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            lifespan="off",
        )
        config.load()
    except (OSError, ValueError) as error:
        listener.close()
        msg = f"the certificate or its key cannot be used: {error}"
        raise ConfigurationError(
            msg, where=str(access.certificate), remedy="give PEM files that belong together"
        ) from error
    reader.start()
    opened(listener.getsockname()[1])
    try:
        run_server(uvicorn.Server(config), app, listener)
    finally:
        reader.close()
        listener.close()


def run_server(server: uvicorn.Server, app: Starlette, listener: socket.socket) -> None:
    """Serve the application, with its ticker, until the server is told to stop."""

    async def run() -> None:
        ticking = asyncio.create_task(app.state.ticker.run(lambda: server.should_exit))
        try:
            await server.serve(sockets=[listener])
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking

    asyncio.run(run())


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        ConfigurationError: The address is taken or is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        msg = f"the console cannot listen here: {error.strerror or error}"
        raise ConfigurationError(
            msg, where=f"{host}:{port}", remedy="choose another --port or --host"
        ) from error
    return listener
