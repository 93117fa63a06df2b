"""Paths into a JSON payload, in the few forms that payloads of devices need. Pure.

`data.motor[0].current`: keys and indexes. `values[*].v`: of every element of an array.
`metrics[name=speed].value`: of the element whose `name` is `speed`. A key with dots or brackets
goes into quotes: `["motor.1"].current`. An empty path is the payload itself.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

_STEP: Final = re.compile(
    r"""\.?(?:
        (?P<key>[^.\[\]"]+)
      | \["(?P<quoted>[^"]+)"\]
      | \[(?P<index>\d+)\]
      | \[(?P<every>\*)\]
      | \[(?P<name>[^=\]"]+)=(?P<wanted>[^\]]*)\]
    )""",
    re.VERBOSE,
)


class Missing:
    """What a path leads to that the payload does not have."""


MISSING: Final = Missing()


class Every:
    """A step to every element of an array."""


@dataclass(frozen=True, slots=True)
class Where:
    """A step to the first element of an array whose `name` is `wanted`."""

    name: str
    wanted: str


Step = str | int | Every | Where


class PayloadPath:
    """One path.

    Args:
        text: As the module's docstring says.

    Raises:
        ValueError: It cannot be read.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps = tuple(_steps(text))
        stars = sum(isinstance(step, Every) for step in self._steps)
        if stars > 1:
            msg = f"path {text!r} has more than one [*]"
            raise ValueError(msg)
        self.many = stars == 1
        """Whether it leads to a list of values."""
        self._key = self._steps[0] if len(self._steps) == 1 else None

    def find(self, data: Any) -> Any:
        """What it leads to, or MISSING; with `[*]`, a list of such, or MISSING.

        >>> PayloadPath("a.b[1]").find({"a": {"b": [1, 2]}})
        2
        >>> PayloadPath("all[*].v").find({"all": [{"v": 1}, {"v": 2}]})
        [1, 2]
        >>> PayloadPath("m[name=speed].value").find({"m": [{"name": "speed", "value": 3}]})
        3
        """
        if isinstance(self._key, str):  # the common case
            return data.get(self._key, MISSING) if isinstance(data, dict) else MISSING
        return _find(data, self._steps)


def _steps(text: str) -> list[Step]:
    text = text.strip()
    if text.startswith("$"):
        text = text[1:]
    found: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or (position == 0 and text[0] == "."):
            if position == 0 and text[0] == "." and match is not None:
                text = text[1:]  # what is left of $.
                continue
            msg = f"path {text!r} cannot be read at {text[position:]!r}"
            raise ValueError(msg)
        found.append(_step(match))
        position = match.end()
    return found


def _step(match: re.Match[str]) -> Step:
    if match["index"] is not None:
        return int(match["index"])
    if match["every"] is not None:
        return Every()
    if match["name"] is not None:
        return Where(match["name"].strip(), match["wanted"].strip().strip("\"'"))
    return str(match["key"] or match["quoted"])


def _find(data: Any, steps: tuple[Step, ...]) -> Any:
    for number, step in enumerate(steps):
        if isinstance(step, str):
            data = data.get(step, MISSING) if isinstance(data, dict) else MISSING
        elif not isinstance(data, list):
            return MISSING
        elif isinstance(step, int):
            data = data[step] if step < len(data) else MISSING
        elif isinstance(step, Where):
            data = next((one for one in data if _is(one, step)), MISSING)
        else:
            return [_find(one, steps[number + 1 :]) for one in data]
        if data is MISSING:
            break
    return data


def _is(element: Any, step: Where) -> bool:
    return isinstance(element, dict) and str(element.get(step.name)) == step.wanted
