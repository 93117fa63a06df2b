"""How an OPC UA link is protected: settings, the endpoint that fits, refusals in plain words."""

from pathlib import Path
from typing import Final, Literal

from asyncua import ua
from asyncua.crypto import security_policies
from asyncua.ua.status_codes import StatusCodes
from pydantic import Field, SecretStr, field_validator, model_validator

from penstock.errors import DeviceError
from penstock.settings.model import Model
from penstock.strangers import unreached

Policy = Literal["Basic256Sha256", "Aes256Sha256RsaPss", "Aes128Sha256RsaOaep", "None"]
Mode = Literal["SignAndEncrypt", "Sign", "None"]

POLICIES: Final[dict[str, type[security_policies.SecurityPolicy]]] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes256Sha256RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
    "Aes128Sha256RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "None": security_policies.SecurityPolicyNone,
}
MODES: Final = {
    "SignAndEncrypt": ua.MessageSecurityMode.SignAndEncrypt,
    "Sign": ua.MessageSecurityMode.Sign,
    "None": ua.MessageSecurityMode.None_,
}
_DEPRECATED: Final = ("Basic128Rsa15", "Basic256")


class SecuritySettings(Model):
    """How the link is protected. Without protection only by name: `{policy: None, mode: None}`."""

    policy: Policy = Field("Basic256Sha256", description="Security policy of the endpoint.")
    mode: Mode = Field("SignAndEncrypt", description="SignAndEncrypt, Sign, or None.")
    certificate: Path | None = Field(None, description="Our certificate, DER or PEM.")
    key: Path | None = Field(None, description="Its private key, PEM or DER, without a password.")
    trust: Path | None = Field(
        None, description="Folder of the servers' (or their authorities') certificates we trust."
    )
    user: str | None = Field(
        None, description="User name; without one we are anonymous.", examples=["penstock"]
    )
    password: SecretStr | None = Field(
        None,
        description="Its password; with policy None it may travel readable.",
        examples=["${file:secrets/press}"],
    )

    @field_validator("policy", mode="before")
    @classmethod
    def _refuse_deprecated(cls, policy: object) -> object:
        if policy in _DEPRECATED:
            msg = (
                f"{policy} is deprecated because it is broken; the server must offer a newer policy"
            )
            raise ValueError(msg)
        return policy

    @model_validator(mode="after")
    def _agree(self) -> "SecuritySettings":
        if (self.policy == "None") != (self.mode == "None"):
            msg = "to go without security, say so twice: policy: None and mode: None"
            raise ValueError(msg)
        missing = [name for name in ("certificate", "key", "trust") if getattr(self, name) is None]
        if self.policy != "None" and missing:
            msg = (
                f"policy {self.policy} needs {', '.join(missing)}: "
                "set them, or write policy: None and mode: None to go without security"
            )
            raise ValueError(msg)
        if self.password and not self.user:
            msg = "there is a password but no user"
            raise ValueError(msg)
        return self

    def __str__(self) -> str:
        return f"{self.policy}/{self.mode}"


def choose_endpoint(
    endpoints: list[ua.EndpointDescription], settings: SecuritySettings, where: str
) -> ua.EndpointDescription:
    """The endpoint with the configured policy and mode.

    Raises:
        DeviceError: The server offers none; what it does offer is named.
    """
    policy, mode = POLICIES[settings.policy].URI, MODES[settings.mode]
    for endpoint in endpoints:
        if endpoint.SecurityPolicyUri == policy and endpoint.SecurityMode == mode:
            return endpoint
    msg = f"the server does not offer {settings}; it offers {offered(endpoints)}"
    raise DeviceError(
        msg, where=where, remedy="choose one of these, or switch this one on in the server"
    )


def offered(endpoints: list[ua.EndpointDescription]) -> str:
    """The policies and modes of a server's endpoints, as a configuration writes them."""
    names = {policy.URI: name for name, policy in POLICIES.items()}
    return ", ".join(
        f"{names.get(e.SecurityPolicyUri, e.SecurityPolicyUri.rpartition('#')[2])}"
        f"/{e.SecurityMode.name.rstrip('_')}"
        for e in endpoints
    )


def explain(error: Exception, settings: SecuritySettings, where: str) -> DeviceError:
    """What an error of asyncua, a server's refusal above all, means and what to do about it."""
    if isinstance(error, DeviceError):
        return error
    code = getattr(error, "code", None)
    if code in _REFUSALS:
        cause, remedy = _REFUSALS[code]
        names = {"certificate": settings.certificate, "user": settings.user or "anonymous"}
        name = ua.StatusCode(code).name
        msg, remedy = f"{cause.format(**names)} ({name})", remedy.format(**names)
    elif isinstance(error, TimeoutError):
        msg = str(error) or "no answer in time"
        remedy = "check the server and the network, or raise timeout"
    elif isinstance(error, OSError):
        msg = f"cannot be reached or closed the connection: {unreached(error)}"
        remedy = "check url, the server and the network"
    else:
        msg = f"the server answers with an error or nonsense: {type(error).__name__}: {error}"
        remedy = "look into the server's log"
    return DeviceError(msg, where=where, remedy=remedy)


_NOT_TRUSTED: Final = (
    "the server does not trust our certificate",
    "copy {certificate} (never the key) into the server's trusted certificates",
)
_BUSY: Final = (
    "the server has no session or subscription left for us",
    "end other clients' sessions or raise the server's limit; one left by a crash ends by itself",
)
_USER: Final = (
    "the server refuses the user {user}",
    "check security.user and security.password, and the user's rights in the server",
)
_REFUSALS: Final[dict[int, tuple[str, str]]] = {
    StatusCodes.BadSecurityChecksFailed: _NOT_TRUSTED,
    StatusCodes.BadCertificateUntrusted: _NOT_TRUSTED,
    StatusCodes.BadCertificateUriInvalid: (
        "the server says that our certificate {certificate} is not for our application URI",
        "leave application_uri away, or make a certificate with this URI",
    ),
    StatusCodes.BadCertificateTimeInvalid: (
        "the server says that our certificate {certificate} has expired or is not valid yet",
        "make a new one and trust it in the server; check the server's clock",
    ),
    StatusCodes.BadCertificateUseNotAllowed: (
        "the server says that our certificate {certificate} is not for this use",
        "make one for OPC UA (OPC 10000-6, 6.2.2)",
    ),
    StatusCodes.BadUserAccessDenied: _USER,
    StatusCodes.BadIdentityTokenInvalid: _USER,
    StatusCodes.BadIdentityTokenRejected: _USER,
    StatusCodes.BadTooManySessions: _BUSY,
    StatusCodes.BadMaxConnectionsReached: _BUSY,
    StatusCodes.BadTooManySubscriptions: _BUSY,
    StatusCodes.BadTooManyPublishRequests: _BUSY,
    StatusCodes.BadTcpServerTooBusy: _BUSY,
    StatusCodes.BadNoSubscription: (
        "the server has ended our subscription",
        "nothing, we subscribe again; if it repeats, look into the server's log",
    ),
}
