"""Reads an OPC UA nodeset (OPC 10000-6, annex F): what a server will have, without the server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as Xml

from connectors.opcua.nodes import escape_namespace, parse_address, standard_type
from penstock.commissioning.offers import Node
from penstock.errors import ConfigurationError

_SPACE: Final = "{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}"
_ROOTS: Final = frozenset({"i=84", "i=85"})
_PROPERTY_OF: Final = frozenset({"HasProperty", "i=46"})
_DEEPEST: Final = 64


def read_nodeset(path: Path) -> Iterator[Node]:
    """The variables of a nodeset, with the names on the way to them; properties are left out.

    Raises:
        ConfigurationError: It is no nodeset; the line of what is wrong is named.
    """
    root = _root(path)
    nodeset = _Nodeset(root, path)
    for element in root.iter(f"{_SPACE}UAVariable"):
        if not nodeset.is_property(element):
            yield nodeset.node(element)


def _root(path: Path) -> Xml.Element:
    try:
        root = Xml.parse(path).getroot()
    except OSError as error:
        msg = f"cannot be read: {error.strerror}"
        raise ConfigurationError(msg, where=str(path), remedy="name a file") from error
    except Xml.ParseError as error:
        line, column = error.position
        msg = f"is no XML: {error.msg.partition(':')[0]}"
        remedy = "export it again from the engineering tool"
        raise ConfigurationError(msg, where=f"{path}:{line}:{column + 1}", remedy=remedy) from error
    if root.tag != f"{_SPACE}UANodeSet":
        msg = f"is no OPC UA nodeset: it begins with {root.tag.rpartition('}')[2]!r}"
        raise ConfigurationError(msg, where=str(path), remedy="export a UANodeSet")
    return root


class _Nodeset:
    """The tables of one nodeset."""

    def __init__(self, root: Xml.Element, path: Path) -> None:
        self._where = str(path)
        uris = (uri.text or "" for uri in root.iterfind(f"{_SPACE}NamespaceUris/{_SPACE}Uri"))
        self._namespaces = ["", *(uri.strip() for uri in uris)]
        self._aliases = {
            alias.get("Alias", ""): (alias.text or "").strip()
            for alias in root.iterfind(f"{_SPACE}Aliases/{_SPACE}Alias")
        }
        self._nodes = {
            element.get("NodeId", ""): element
            for element in root
            if element.tag.startswith(f"{_SPACE}UA")
        }

    def node(self, variable: Xml.Element) -> Node:
        kind = variable.get("DataType", "i=24")
        return Node(
            tuple(reversed(list(self._path(variable)))),
            self._own_address(variable.get("NodeId", "")),
            standard_type(self._address(self._aliases.get(kind, kind))),
            None,
            self._text(variable, "Description"),
        )

    def is_property(self, element: Xml.Element) -> bool:
        return any(
            reference.get("ReferenceType") in _PROPERTY_OF
            and reference.get("IsForward", "true") == "false"
            for reference in self._references(element)
        )

    def _path(self, element: Xml.Element) -> Iterator[str]:
        """Names from a node up to the Objects folder."""
        for _ in range(_DEEPEST):
            yield element.get("BrowseName", "").rpartition(":")[2] or element.get("BrowseName", "")
            parent = self._parent(element)
            if parent is None or parent in _ROOTS or parent not in self._nodes:
                return
            element = self._nodes[parent]

    def _parent(self, element: Xml.Element) -> str | None:
        if parent := element.get("ParentNodeId"):
            return parent
        return next(
            (
                (reference.text or "").strip()
                for reference in self._references(element)
                if reference.get("IsForward", "true") == "false"
            ),
            None,
        )

    @staticmethod
    def _references(element: Xml.Element) -> Iterator[Xml.Element]:
        return element.iterfind(f"{_SPACE}References/{_SPACE}Reference")

    @staticmethod
    def _text(element: Xml.Element, name: str) -> str | None:
        found = element.find(f"{_SPACE}{name}")
        return " ".join(found.text.split()) if found is not None and found.text else None

    def _own_address(self, node_id: str) -> str:
        """A variable's address, checked.

        Raises:
            ConfigurationError: It is no node id, or its namespace is not in the file.
        """
        address = self._address(node_id)
        namespace = parse_address(address, self._where).namespace
        if isinstance(namespace, int) and namespace:
            msg = f"{node_id!r} has a namespace that the file does not name"
            remedy = (
                f"export it again with its NamespaceUris: there are {len(self._namespaces) - 1}"
            )
            raise ConfigurationError(msg, where=self._where, remedy=remedy)
        return address

    def _address(self, node_id: str) -> str:
        """A node id by namespace URI; the nodeset's indices are its own."""
        first, separator, rest = node_id.partition(";")
        if not separator or not first.startswith("ns="):
            return node_id
        number = first.removeprefix("ns=")
        index = int(number) if number.isdecimal() else 0
        known = 0 < index < len(self._namespaces)
        return f"nsu={escape_namespace(self._namespaces[index])};{rest}" if known else node_id
