"""What browsing found, as a tree for people."""

from collections.abc import Iterable, Iterator

from penstock.commissioning.offers import Node
from penstock.commissioning.watching import value_text


def tree(nodes: Iterable[Node]) -> Iterator[str]:
    r"""Lines of a tree; a folder whose own node was not found is there by its name.

    >>> found = [Node(("press",), "i=1"), Node(("press", "T"), "i=2", "Double")]
    >>> print("\n".join(tree(found)))
    press
    └── T  Double  i=2
    """
    yield from _below(_nested(nodes), "")


class _Branch:
    """A name in the tree, with what is below it."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        """Of this name and path; more than one where siblings have the same name."""
        self.below: dict[str, _Branch] = {}


def _nested(nodes: Iterable[Node]) -> _Branch:
    root = _Branch()
    for node in nodes:
        branch = root
        for name in node.path:
            branch = branch.below.setdefault(name, _Branch())
        branch.nodes.append(node)
    return root


def _below(branch: _Branch, indent: str, *, top: bool = True) -> Iterator[str]:
    last = len(branch.below) - 1
    for number, (name, inner) in enumerate(branch.below.items()):
        end = number == last
        nodes: list[Node | None] = [*inner.nodes] or [None]
        *twins, node = nodes
        for twin in twins:
            yield f"{indent}{'' if top else '├── '}{name}{_told(twin)}"
        mark = "" if top else ("└── " if end else "├── ")
        yield f"{indent}{mark}{name}{_told(node)}"
        yield from _below(inner, indent + ("" if top else ("    " if end else "│   ")), top=False)


def _told(value: Node | None) -> str:
    """What stands behind a value's name; nothing behind a folder's."""
    if value is None or value.type is None:
        return ""
    shown = "" if value.value is None else f"  = {value_text(value.value)}"
    return f"  {value.type}  {value.address}{shown}"
