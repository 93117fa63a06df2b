"""Holds topics, state and lake against each other: does everything that came in come out once?

`penstock audit` shows it. Nothing is written, and no worker needs to run or to stop: what is
compared ends where the stored state and the lake say that they are.
"""

from penstock.audit.audit import Audit, audit
from penstock.audit.difference import Difference

__all__ = ["Audit", "Difference", "audit"]
