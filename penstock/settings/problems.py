"""Many problems in one error, so that a person mends a configuration in one round."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Final

from penstock.errors import ConfigurationError

_LINE: Final = re.compile(r":(\d+)(:\d+)?$")
_SHOWN: Final = 12
"""So many known names are listed where none is near."""


class InvalidConfigurationError(ConfigurationError):
    """A configuration with all that is wrong with it.

    Go through the lines: each names the file, the place in it, the fault and the remedy.

    Args:
        problems: Each names its file and line.
    """

    code = "PEN-102"

    def __init__(self, problems: Sequence[ConfigurationError]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        found = "1 problem" if count == 1 else f"{count} problems"
        super().__init__("\n".join([f"{found} in the configuration", *map(str, self.problems)]))


def each(error: ConfigurationError) -> tuple[ConfigurationError, ...]:
    """The single problems of an error that may hold several."""
    return error.problems if isinstance(error, InvalidConfigurationError) else (error,)


def in_reading_order(
    problems: Iterable[ConfigurationError], first: str
) -> list[ConfigurationError]:
    """Problems by file and line; those of the file named `first` come before the others."""

    def order(problem: ConfigurationError) -> tuple[bool, str, int]:
        where = problem.where or ""
        line = _LINE.search(where)
        file = where[: line.start()] if line else where
        return file != first, file, int(line[1]) if line else 0

    return sorted(problems, key=order)


def suggestion(name: str, known: Iterable[str]) -> str | None:
    """The remedy for a name that is not among the known ones.

    >>> suggestion("samplign", ["publish", "sampling"])
    "did you mean 'sampling'?"
    >>> suggestion("zzz", ["publish", "sampling"])
    'known here: publish, sampling'
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    if not names:
        return None
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"known here: {', '.join(names[:_SHOWN])}{more}"
