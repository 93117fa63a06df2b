"""Node ids as tag lists write them, by namespace URI, and as a server numbers them today."""

import base64
import binascii
import difflib
import uuid
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote

from asyncua import ua

from penstock.errors import ConfigurationError

_KINDS: Final = {
    "i": ua.NodeIdType.Numeric,
    "s": ua.NodeIdType.String,
    "g": ua.NodeIdType.Guid,
    "b": ua.NodeIdType.ByteString,
}
_TYPES: Final = {f"i={number}": kind.name for number, kind in enumerate(ua.VariantType)} | {
    "i=290": "Double",  # Duration
    "i=294": "DateTime",  # UtcTime
    "i=295": "String",  # LocaleId
    "i=29": "Int32",  # Enumeration
}
_REMEDY: Final = "write nsu=<namespace URI>;s=<name>, or i=, g=, b= for other kinds of id"
_MOST_NUMERIC: Final = 0xFFFFFFFF
_MOST_NAMESPACE: Final = 0xFFFF


Identifier = ua.Int32 | ua.String | ua.Guid | ua.ByteString


class NodeAddress(NamedTuple):
    """A node id whose namespace is a URI, or an index, which may shift when a server restarts."""

    namespace: str | int
    kind: ua.NodeIdType
    identifier: Identifier

    def resolve(self, namespaces: Sequence[str]) -> ua.NodeId | None:
        """The id under a server's namespace array; None where it has no such namespace.

        >>> parse_address("nsu=urn:acme:press;s=Good").resolve(["", "urn:server", "urn:acme:press"])
        NodeId(Identifier='Good', NamespaceIndex=2, NodeIdType=<NodeIdType.String: 3>)
        """
        index = self.namespace
        if isinstance(index, str):
            if index not in namespaces:
                return None
            index = namespaces.index(index)
        return ua.NodeId(self.identifier, ua.Int16(index), self.kind)


def parse_address(text: str, where: str = "") -> NodeAddress:
    """Read a node id (OPC 10000-6, 5.3.1.10): `nsu=<URI>;s=…`, `ns=<index>;…` or `i=…`.

    >>> parse_address("nsu=urn:acme:press;s=Hall 1;Good").identifier
    'Hall 1;Good'

    Raises:
        ConfigurationError: It is none; `where` names the line.
    """
    namespace, rest = _namespace(text, where)
    kind, separator, identifier = rest.partition("=")
    if not separator or kind not in _KINDS:
        raise _wrong(text, where, "it has no i=, s=, g= or b=")
    try:
        return NodeAddress(namespace, _KINDS[kind], _identifier(kind, identifier))
    except (ValueError, binascii.Error) as error:
        raise _wrong(text, where, str(error)) from error


def escape_namespace(uri: str) -> str:
    """A namespace URI as it stands in a node id: its own ; and % are escaped.

    >>> escape_namespace("urn:a;b")
    'urn:a%3Bb'
    """
    return uri.replace("%", "%25").replace(";", "%3B")


def write_address(node: ua.NodeId, namespaces: Sequence[str]) -> str:
    """A server's node id as tag lists write it, by namespace URI.

    >>> write_address(ua.NodeId("Good", 2), ["", "urn:server", "urn:acme:press"])
    'nsu=urn:acme:press;s=Good'
    """
    index, identifier = int(node.NamespaceIndex), node.Identifier
    if isinstance(identifier, bytes):
        text = f"b={base64.b64encode(identifier).decode()}"
    elif isinstance(identifier, uuid.UUID):
        text = f"g={identifier}"
    else:
        text = f"{'i' if isinstance(identifier, int) else 's'}={identifier}"
    if not index:
        return text
    known = index < len(namespaces)
    return f"nsu={escape_namespace(namespaces[index])};{text}" if known else f"ns={index};{text}"


def standard_type(address: str) -> str:
    """The name of a data type of the standard; another's address as it is.

    >>> standard_type("i=11"), standard_type("i=290"), standard_type("nsu=urn:acme;i=5")
    ('Double', 'Double', 'nsu=urn:acme;i=5')
    """
    return _TYPES.get(address, address)


def near_namespace(namespace: str, namespaces: Sequence[str]) -> str:
    """The remedy for a namespace that a server does not have.

    Args:
        namespace: Not there.
        namespaces: The server's array: OPC UA's own, the server's, then what it serves.
    """
    own = namespaces[2:] or namespaces
    near = difflib.get_close_matches(namespace, own, n=1)
    return f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(own) or 'none'}"


def _namespace(text: str, where: str) -> tuple[str | int, str]:
    first, separator, rest = text.strip().partition(";")
    if first.startswith("nsu=") and separator:
        return unquote(first.removeprefix("nsu=")), rest  # its own ; and % are written %3B and %25
    if first.startswith("ns=") and separator:
        index = first.removeprefix("ns=")
        if not index.isdecimal() or int(index) > _MOST_NAMESPACE:
            raise _wrong(text, where, f"{index!r} is no namespace index")
        return int(index), rest
    return 0, text.strip()


def _identifier(kind: str, text: str) -> Identifier:
    if not text:
        msg = "the identifier is empty"
        raise ValueError(msg)
    if kind == "i":
        number = int(text)
        if not 0 <= number <= _MOST_NUMERIC:
            msg = "a numeric identifier is between 0 and 4294967295"
            raise ValueError(msg)
        return ua.Int32(number)
    if kind == "g":
        return ua.Guid(text)
    if kind == "b":
        return ua.ByteString(base64.b64decode(text, validate=True))
    return ua.String(text)


def _wrong(text: str, where: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{text!r} is no OPC UA node id: {why}", where=where or None, remedy=_REMEDY
    )
