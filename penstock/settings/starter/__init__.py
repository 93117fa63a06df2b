"""A configuration to start from: commented, and valid as it is."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from penstock.certificates import make_client_certificate
from penstock.errors import ConfigurationError
from penstock.settings.json_schema import schema_text

_COPIED: Final = ("plant.yaml", "tags/press07.csv", "tags/utilities.csv")
_SCHEMA: Final = "plant.schema.json"
_CERTIFICATE: Final = "certs/client.der"
_KEY: Final = "certs/client.pem"
_TRUSTED: Final = "certs/trusted"
_IGNORE: Final = ".gitignore"


def write_starter(folder: Path, *, force: bool = False) -> list[Path]:
    """Write the starter configuration with its tag lists, schema and OPC UA certificate.

    A certificate and key that are there are kept: devices may trust them already.

    Args:
        folder: Where it goes; made where missing.
        force: Replace files that are there.

    Returns:
        The files written.

    Raises:
        ConfigurationError: A file is there already, or the folder cannot be written to.
    """
    names = (*_COPIED, _SCHEMA, _CERTIFICATE, _KEY, _IGNORE)
    present = [name for name in names if (folder / name).exists()]
    if present and not force:
        msg = f"there is already: {', '.join(present)}"
        remedy = "name another folder, or --force to replace them; certificates are kept"
        raise ConfigurationError(msg, where=str(folder), remedy=remedy)
    try:
        return _write(folder)
    except OSError as error:
        msg = f"cannot be written: {error.strerror}"
        remedy = "name a folder that you may write to"
        raise ConfigurationError(msg, where=error.filename or str(folder), remedy=remedy) from None


def _write(folder: Path) -> list[Path]:
    texts = {name: (files(__name__) / name).read_text(encoding="utf-8") for name in _COPIED}
    texts[_SCHEMA] = schema_text()
    texts[_IGNORE] = "certs/*.pem\nsecrets/\nlake/\n"
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    written = [folder / name for name in texts]
    (folder / _TRUSTED).mkdir(parents=True, exist_ok=True)
    certificate, key = folder / _CERTIFICATE, folder / _KEY
    if not (certificate.exists() and key.exists()):
        make_client_certificate(certificate, key)
        written += [certificate, key]
    return written
