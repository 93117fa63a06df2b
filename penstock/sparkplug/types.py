"""Datatypes and names that Sparkplug B gives a meaning (Eclipse Sparkplug 3.0.0, chapter 6)."""

from enum import IntEnum
from typing import Final

BD_SEQ: Final = "bdSeq"
"""Metric of NBIRTH and NDEATH by which a death is matched with its birth."""
REBIRTH: Final = "Node Control/Rebirth"
"""Metric by which an edge node is asked to be born again."""


class DataType(IntEnum):
    """What a metric's value is."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19


def next_number(number: int) -> int:
    """What comes after a sequence number, or after a bdSeq.

    >>> next_number(254), next_number(255)
    (255, 0)
    """
    return (number + 1) % 256
