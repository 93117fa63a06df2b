"""Operators' state as rows of JSON: whose it is, its books, and how damaged rows are refused.

Each operator has a row `meta`; what its other rows are called and hold, it knows itself.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from penstock.errors import StateError
from penstock.fingerprints import difference
from penstock.operator import Books, Operator

META: Final = "meta"
_RESET: Final = "reset the processor"


def dump(row: Any) -> bytes:
    """A row; equal values give equal bytes."""
    return json.dumps(row, separators=(",", ":"), sort_keys=True).encode()


def dump_meta(operator: Operator[Any]) -> bytes:
    """The `meta` row: whose state this is, and its books."""
    books = operator.books
    counts = [books.samples_in, books.aggregated, books.bad, books.late]
    return dump([operator.fingerprint, *counts])


def load_meta(operator: Operator[Any], rows: Mapping[str, bytes]) -> tuple[str, Books]:
    """Whose saved state this is, and its books.

    Args:
        operator: Who is to take it.
        rows: All of it; of none: new books of the operator itself.

    Raises:
        StateError: There is no `meta` row, it is damaged, or of another operator, format or
            parameters.
    """
    if not rows:
        return operator.fingerprint, Books()
    try:
        fingerprint, *counts = json.loads(rows[META])
        books = Books(*counts)
    except KeyError as error:
        msg = "the state has no 'meta' row"
        raise StateError(msg, where=META, remedy=_RESET) from error
    except (ValueError, TypeError) as error:
        msg = "this row of state is damaged"
        raise StateError(msg, where=META, remedy=_RESET) from error
    if not operator.reads(fingerprint):
        msg = f"the state is {difference(fingerprint, operator.fingerprint)}"
        remedy = f"take the former parameters or version again, or {_RESET}"
        raise StateError(msg, where=META, remedy=remedy)
    return fingerprint, books


def load_rows(
    rows: Mapping[str, bytes], load: Callable[[str, Any], None], *, reverse: bool = False
) -> None:
    """Hand every row but `meta` over, by name.

    Args:
        rows: All of them.
        load: Takes a row's name and what it holds; what it raises says that the row is damaged.
        reverse: Whether to go by name backwards.

    Raises:
        StateError: One is damaged.
    """
    for where in sorted(rows.keys() - {META}, reverse=reverse):
        try:
            load(where, json.loads(rows[where]))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            msg = "this row of state is damaged or of another operator"
            raise StateError(msg, where=where, remedy=_RESET) from error
