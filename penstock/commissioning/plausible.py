"""What a tag's row says of plausible values, held against a value."""

from typing import Any

from penstock.errors import ConfigurationError
from penstock.settings.tags import Tag


def outside(tag: Tag, raw: Any, remedy: str) -> ConfigurationError | None:
    """A problem where a number is outside `low` to `high` of its row.

    Args:
        tag: The row.
        raw: As the device gives it, before scale and offset.
        remedy: What to check.
    """
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    value = raw * tag.scale + tag.offset
    if tag.low is not None and value < tag.low:
        limit = f"below its least plausible value, {tag.low:g}"
    elif tag.high is not None and value > tag.high:
        limit = f"above its greatest plausible value, {tag.high:g}"
    else:
        return None
    msg = f"tag {tag.tag!r} is {value:g}, {limit}"
    return ConfigurationError(msg, where=tag.where or None, remedy=remedy)
