"""What operators' state depends on, as text: what holds for all of it, and what for each part.

Parts are assets or lines, each with state of its own. State of fewer parts can be gone on with: a
machine that is added to a plant must not cost the others what is known of them.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from itertools import takewhile
from typing import Final

_PARTS: Final = " parts="
_DIGITS: Final = 10
_AROUND: Final = 24
"""Characters that are shown around what differs."""
_MOST: Final = 120
"""Characters of it that are shown."""
_SHOWN: Final = 5
"""Names of parts that are shown."""


def with_parts(rest: str, parts: Mapping[str, str]) -> str:
    """A fingerprint.

    Args:
        rest: All else that the state depends on.
        parts: Of each part all that its state depends on.
    """
    digests = {name: sha256(text.encode()).hexdigest()[:_DIGITS] for name, text in parts.items()}
    return f"{rest}{_PARTS}{json.dumps(digests, separators=(',', ':'), sort_keys=True)}"


def in_format(fingerprint: str, version: int) -> str:
    """The fingerprint of the same state in another format.

    >>> in_format("sums/2 keep=9", 1)
    'sums/1 keep=9'
    """
    name, space, rest = fingerprint.partition(" ")
    return f"{name.rpartition('/')[0]}/{version}{space}{rest}"


def only_adds(then: str, now: str) -> bool:
    """Whether fingerprints are the same but for parts that came since.

    >>> then = with_parts("sums/1", {"press": "8 h"})
    >>> only_adds(then, with_parts("sums/1", {"press": "8 h", "saw": "8 h"}))
    True
    >>> only_adds(then, with_parts("sums/1", {"press": "9 h"}))
    False
    """
    rest, parts = _split(then)
    rest_now, parts_now = _split(now)
    return rest == rest_now and parts.items() <= parts_now.items()


def added(then: str, now: str) -> set[str]:
    """Names of the parts that came since.

    >>> added(with_parts("", {"press": ""}), with_parts("", {"press": "", "saw": ""}))
    {'saw'}
    """
    return _split(now)[1].keys() - _split(then)[1].keys()


def difference(then: str, now: str) -> str:
    """In words, as short as may be.

    >>> difference(with_parts("", {"press": "8 h", "saw": ""}), with_parts("", {"press": "9 h"}))
    'of other parameters: those of press have changed, saw is gone'
    >>> before, after = 30 * "-", 30 * "."
    >>> difference(f"{before}grid 1{after}", f"{before}grid 25{after}")
    'of other parameters (…-------------------grid 1...…, now …-------------------grid 25...…)'
    """
    rest, parts = _split(then)
    rest_now, parts_now = _split(now)
    if rest != rest_now:
        same = _alike(rest, rest_now)
        left = _alike(rest[same:][::-1], rest_now[same:][::-1])
        old = _excerpt(rest, same, len(rest) - left)
        return f"of other parameters ({old}, now {_excerpt(rest_now, same, len(rest_now) - left)})"
    changed = [name for name in parts if parts_now.get(name, parts[name]) != parts[name]]
    gone = [name for name in parts if name not in parts_now]
    told = [f"those of {_listed(changed)} have changed"] if changed else []
    told += [f"{_listed(gone)} {'is' if len(gone) == 1 else 'are'} gone"] if gone else []
    return f"of other parameters: {', '.join(told)}"


def _split(fingerprint: str) -> tuple[str, dict[str, str]]:
    rest, _, parts = fingerprint.partition(_PARTS)
    try:
        return rest, dict(json.loads(parts or "{}"))
    except (ValueError, TypeError):
        return fingerprint, {}


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _alike(a: str, b: str) -> int:
    """How many characters are the same from the beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _excerpt(text: str, first: int, last: int) -> str:
    begin = max(0, first - _AROUND)
    end = min(len(text), min(last, first + _MOST) + _AROUND)
    return f"{'…' * (begin > 0)}{text[begin:end]}{'…' * (end < len(text))}"
