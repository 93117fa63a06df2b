"""TCP ports of this machine: which are free, and what keeps us from the others."""

import contextlib
import random
import socket
from dataclasses import dataclass
from typing import Final

import psutil

from penstock.errors import StackError

HOST: Final = "127.0.0.1"
BELOW_EPHEMERAL: Final = range(15_000, 32_000)
"""No system takes ports here for outgoing connections: a free one stays free until it is used."""
TRIES: Final = 200
_given: Final[set[int]] = set()


@dataclass(frozen=True, slots=True)
class Holder:
    """What keeps us from a port.

    Args:
        pid: Of the process that listens there; 0: the system does not tell, or there is none.
        name: Of the process.
        forbidden: Whether the port is free, but this user may not listen there.
    """

    pid: int
    name: str
    forbidden: bool = False

    def __str__(self) -> str:
        """What the port is, as in "port 80 is …"."""
        if self.forbidden:
            return "not for this user: ports below 1024 need root's rights (CAP_NET_BIND_SERVICE)"
        return f"taken by {self.name}{f' (pid {self.pid})' if self.pid else ''}"


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port."""
    return _refusal(port) is None


def _refusal(port: int) -> OSError | None:
    """What a server would be told that is to listen on this loopback port; None: it could."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that linger after a kill do not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error
        return None


def free_port() -> int:
    """A port that nobody listens on and no outgoing connection will take meanwhile.

    A process is never given the same one twice: whom it is meant for may not listen there yet.
    """
    chosen = random.SystemRandom()
    for _ in range(TRIES):
        port = chosen.choice(BELOW_EPHEMERAL)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    msg = f"found no free port from {BELOW_EPHEMERAL.start} to {BELOW_EPHEMERAL.stop - 1}"
    raise StackError(msg, remedy="stop what holds them")


def holder(port: int) -> Holder | None:
    """Who listens on a port, or that we may not; None: we can."""
    refusal = _refusal(port)
    if refusal is None:
        return None
    if isinstance(refusal, PermissionError):
        return Holder(0, "", forbidden=True)
    with contextlib.suppress(psutil.Error):
        for entry in psutil.net_connections("tcp"):
            here = entry.laddr.port if entry.laddr else None
            if entry.status == psutil.CONN_LISTEN and here == port and entry.pid:
                return Holder(entry.pid, _name(entry.pid))
    # Freed meanwhile, or the system does not tell us about other users' processes.
    return None if is_free(port) else Holder(0, "a process of another user")


def _name(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return "a process"
