"""`penstock certs …`: certificates for OPC UA."""

import contextlib
from pathlib import Path
from typing import Annotated, Final

import typer

from penstock import clock
from penstock.certificates import make_client_certificate
from penstock.errors import ConfigurationError
from penstock.trust import Described, certificates_in, describe, find
from penstock.trust import trust as put_to_trusted

commands = typer.Typer(name="certs", help="Certificates for OPC UA: ours, and those we trust.")
Folder = Annotated[Path, typer.Option(help="Folder of certificates.")]
FOLDER: Final = Path("certs")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands)


@commands.callback(no_args_is_help=True)
def _certs() -> None:
    """Certificates for OPC UA: ours, and those we trust."""


@commands.command()
def create(
    folder: Folder = FOLDER,
    uri: Annotated[
        str | None,
        typer.Option(
            help="Application URI.", show_default="of the one replaced, else urn:<machine>:penstock"
        ),
    ] = None,
    host: Annotated[
        list[str] | None, typer.Option(help="A further name or address of this machine.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="How long it is valid.")] = 3650,
    force: Annotated[
        bool, typer.Option("--force", help="Replace one that is there; servers must trust anew.")
    ] = False,
) -> None:
    """Make Penstock's certificate and key, and the folder of trusted ones."""
    certificate, key, trusted = folder / "client.der", folder / "client.pem", folder / "trusted"
    present = [str(path) for path in (certificate, key) if path.exists()]
    if present and not force:
        msg = f"there is already: {', '.join(present)}"
        remedy = "keep it, since servers may trust it, or --force to replace it"
        raise ConfigurationError(msg, remedy=remedy)
    uri = uri or _uri_of(certificate)
    make_client_certificate(certificate, key, application_uri=uri, hosts=host or (), days=days)
    trusted.mkdir(exist_ok=True)
    for line in _lines(describe(certificate, clock.now())):
        typer.echo(line)
    typer.echo(f"key: {key} (readable by you only; it never leaves this machine)")
    typer.echo(f"Next: copy {certificate} into the server's trusted certificates,")
    typer.echo("      and penstock connectors probe SOURCE; it keeps the server's certificate")


@commands.command()
def show(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Certificates, or folders of them.", show_default="certs"),
    ] = None,
) -> None:
    """Say what certificates hold, and what is wrong with them."""
    found: list[Path] = []
    for path in paths or [FOLDER]:
        found += certificates_in(path) if path.is_dir() else [path]
    if not found:
        msg = "there are no certificates"
        raise ConfigurationError(msg, remedy="penstock certs create makes one")
    for path in found:
        for line in _lines(describe(path, clock.now())):
            typer.echo(line)


@commands.command()
def trust(
    certificate: Annotated[
        str, typer.Argument(help="A file, or how the thumbprint of a rejected one begins.")
    ],
    folder: Folder = FOLDER,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
) -> None:
    """Trust a server's certificate: show it, ask, and put it to the trusted ones."""
    trusted, rejected = folder / "trusted", folder / "rejected"
    path = find(certificate, rejected)
    for line in _lines(describe(path, clock.now())):
        typer.echo(line)
    if not yes:
        typer.confirm("Does the server itself show the same thumbprint?", abort=True)
    typer.echo(f"trusted: {put_to_trusted(path, trusted, rejected)}")


def _uri_of(certificate: Path) -> str | None:
    """That of the certificate to be replaced: a renewal is of the same application."""
    if not certificate.exists():
        return None
    with contextlib.suppress(ConfigurationError):
        return next(iter(describe(certificate, clock.now()).uris), None)
    return None


def _lines(found: Described) -> list[str]:
    lines = [
        str(found.path),
        f"  subject     {found.subject}",
        f"  URI         {', '.join(found.uris) or 'none'}",
        f"  thumbprint  {found.thumbprint}",
        f"  valid       {found.begins:%Y-%m-%d} to {found.ends:%Y-%m-%d}",
    ]
    if found.issuer != found.subject:
        lines.insert(2, f"  issuer      {found.issuer}")
    return lines + [f"  problem     {problem}" for problem in found.problems]
