"""Rows of former formats of state as rows of today's.

Format 1 did not hold what was done long ago for orders. Format 2 told of pieces that nobody saw
being made a share instead of their time, and of no constraint: here they stand against no known
time of the unit, and what was done long ago counts in the line's figures as a whole.
"""

from typing import Any


def as_today(where: str, row: list[Any]) -> list[Any]:
    """A row of format 1 or 2 as one of format 3."""
    if where.startswith("p/"):
        *head, pieces, failures, late, flags, version = row
        told = [[*one[:6], None, None, True] for one in pieces]
        return [*head, told, failures, late, flags, version]
    if where.startswith("l/"):
        dropped, closed, members = row
        return [dropped, closed, [_member(*one) for one in members]]
    return row


def _member(asset: str, *told: Any) -> list[Any]:
    level, quiet, past, failed, *before = told
    orders = before[0] if before else []
    return [asset, level, quiet, past, failed, [[order, _tally(asset, t)] for order, t in orders]]


def _tally(asset: str, row: list[Any]) -> list[Any]:
    times, made, unknown, flags, panes, late, version, bounds = row
    return [times, made, [[asset, unknown]], flags, panes, late, version, bounds[:4]]
