"""How a link to a broker is protected, and what its failures mean in plain words."""

import ssl
from typing import Any, Final

from paho.mqtt.reasoncodes import ReasonCode

from connectors.mqtt.settings import MqttSettings, TlsSettings
from penstock.errors import DeviceError


class RefusedError(Exception):
    """The broker says no; `reason` is its code (MQTT 5.0, 2.4)."""

    def __init__(self, reason: ReasonCode) -> None:
        self.reason = reason
        super().__init__(str(reason))


class TlsContext(ssl.SSLContext):
    """A context that knows its last socket: paho leaves one open whose handshake failed."""

    last: ssl.SSLSocket | None = None

    def wrap_socket(self, *arguments: Any, **named: Any) -> ssl.SSLSocket:
        """As Python's."""
        self.last = super().wrap_socket(*arguments, **named)
        return self.last


def tls_context(settings: TlsSettings) -> TlsContext:
    """What checks the broker's certificate and name, and shows ours.

    Raises:
        DeviceError: A file cannot be used, as long as it is not put right.
    """
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if settings.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(settings.ca)
        if settings.certificate is not None:
            context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        files = [str(path) for path in (settings.ca, settings.certificate, settings.key) if path]
        msg = f"cannot be used for TLS: {error.strerror or error}"
        remedy = "name PEM files; the key must be without a password and belong to the certificate"
        raise DeviceError(msg, where=", ".join(files), remedy=remedy) from error
    return context


_USER: Final = ("does not know our user or password", "check user and password")
_MAY_NOT: Final = (
    "does not let us in",
    "check user and password, our client certificate, and the broker's access rules",
)
_REASONS: Final[dict[int, tuple[str, str]]] = {
    0x84: ("does not speak this version of MQTT", "try version: 3.1.1"),
    0x85: ("does not take our client id", "set another client_id"),
    0x86: _USER,
    0x87: _MAY_NOT,
    0x88: ("is not available", "look into the broker's log"),
    0x89: ("is busy", "nothing, it is tried again"),
    0x8A: ("has banned us", "ask who looks after the broker"),
    0x8B: ("is shutting down", "nothing, it is tried again"),
    0x8E: (
        "says that another client has taken over our session",
        "give each Penstock a client_id of its own",
    ),
    0x95: ("says that a packet was too large", "raise its limit on packets"),
    0x97: ("says that a quota is exceeded", "raise its limits for our user"),
}
"""Reason codes (MQTT 5.0, 2.4): what the broker does, and the remedy."""


def refusal(code: int, name: str) -> tuple[str, str]:
    """What a broker's reason code means, and what to do.

    >>> refusal(0x86, "Bad user name or password")[1]
    'check user and password'
    """
    told, remedy = _REASONS.get(code, ("refuses", "look into the broker's log"))
    return f"the broker {told} ({name})", remedy


def explain(error: Exception, settings: MqttSettings, where: str) -> DeviceError:
    """What a failure of the link means, and what to do about it."""
    if isinstance(error, DeviceError):
        return error
    if isinstance(error, RefusedError):
        msg, remedy = refusal(error.reason.value, str(error))
    elif isinstance(error, ssl.SSLCertVerificationError):
        msg = f"the broker's certificate is not accepted: {error.verify_message}"
        remedy = "name the authority that signed it in tls.ca, and the host as it is in it"
    elif isinstance(error, ssl.SSLError):
        msg = f"TLS fails: {error.reason or error}"
        remedy = "check that the port is the one for TLS, and tls.certificate if it wants one"
    elif isinstance(error, TimeoutError):
        msg = "no answer in time"
        remedy = "check that a broker is there and speaks MQTT on this port, or raise timeout"
    elif isinstance(error, OSError):
        msg = f"cannot be reached or closed the connection: {error.strerror or error}"
        remedy = "check url, the broker and the network"
        if error.errno is None:
            remedy += "; two clients with one client_id end each other's connections"
        if settings.secure:
            remedy += "; a broker that wants a client certificate hangs up without one"
    else:
        msg = f"the broker answers nonsense: {type(error).__name__}: {error}"
        remedy = "check that a broker listens on this port"
    return DeviceError(msg, where=where, remedy=remedy)
