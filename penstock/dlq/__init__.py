"""Dead letters for people: which there are, why, and what is to become of them.

A letter is not appended to its topic again: everybody who reads the topic would get it once more,
who could take it the first time, too. It goes to `<topic>.retry` instead, of which each component
takes only what it buried itself, in the partition that the record came from, and keeps the offset
with its state or its rows as it does for its topic. `<topic>.retry` is also the record of what was
decided: a letter that lies there, to be taken or to be dropped, is no longer open.
"""

from penstock.dlq.letters import Choice, Letter, read_letters
from penstock.dlq.settle import drop, retry

__all__ = ["Choice", "Letter", "drop", "read_letters", "retry"]
