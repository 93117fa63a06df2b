"""Who may see the page: on this machine everybody; from beyond it who has the token, over TLS."""

import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from starlette.requests import HTTPConnection

from penstock.errors import ConfigurationError

COOKIE: Final = "penstock_console"
LEAST_TOKEN: Final = 16
"""Characters; shorter ones can be guessed."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the page is served and what it takes to see it.

    Args:
        host: Address to listen on.
        token: What a browser must know; None: nothing, on loopback.
        certificate: PEM file; None: no TLS, on loopback.
        key: Its key, PEM.
    """

    host: str
    token: str | None
    certificate: Path | None
    key: Path | None

    def admits(self, connection: HTTPConnection) -> bool:
        """Whether a request shows the token, as a cookie or a bearer."""
        if self.token is None:
            return True
        bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
        shown = (connection.cookies.get(COOKIE, ""), bearer)
        return any(self.knows(one) for one in shown)

    def knows(self, token: str) -> bool:
        """Whether this is the token."""
        return self.token is not None and hmac.compare_digest(token.encode(), self.token.encode())

    @property
    def hosts(self) -> list[str]:
        """Names that a request may be for: on loopback only its own, against DNS rebinding."""
        return ["127.0.0.1", "localhost", "[::1]"] if is_loopback(self.host) else ["*"]

    def url(self, port: int, name: str | None = None, *, with_token: bool = False) -> str:
        """The page's address.

        Args:
            port: Where it listens.
            name: Of this machine as others see it.
            with_token: Whoever has it gets in.
        """
        scheme = "http" if self.certificate is None else "https"
        host = name or self.host
        host = f"[{host}]" if ":" in host else host
        end = f"/enter?token={quote(self.token, safe='')}" if with_token and self.token else "/"
        return f"{scheme}://{host}:{port}{end}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def access(
    host: str, token_file: Path | None, certificate: Path | None, key: Path | None
) -> Access:
    """Judge the settings. Beyond loopback a token is made where no file gives one.

    Raises:
        ConfigurationError: TLS is missing beyond loopback, half of it is missing, or the token
            cannot be read or is too short.
    """
    if (certificate is None) != (key is None):
        msg = "certificate and key belong together"
        raise ConfigurationError(
            msg, where="--certificate", remedy="give both --certificate and --key"
        )
    for file in (certificate, key):
        if file is not None and not file.is_file():
            msg = "there is no such file"
            raise ConfigurationError(msg, where=str(file), remedy="correct --certificate and --key")
    token = None if token_file is None else _token(token_file)
    if is_loopback(host):
        return Access(host, token, certificate, key)
    if certificate is None:
        msg = f"beyond this machine (--host {host}) the page is served over TLS only"
        remedy = "give --certificate and --key, or leave --host out"
        raise ConfigurationError(msg, where="--host", remedy=remedy)
    return Access(host, token or secrets.token_urlsafe(24), certificate, key)


def _token(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"the token cannot be read: {error}"
        raise ConfigurationError(msg, where=str(path), remedy="correct --token-file") from error
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        msg = f"a token has at least {LEAST_TOKEN} printable ASCII characters without blanks"
        remedy = "make one: openssl rand -base64 24"
        raise ConfigurationError(msg, where=str(path), remedy=remedy)
    return token
