"""TCP ports of this machine: which are free, and who holds the others."""

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


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that listens on a port; `pid` 0 where the system does not tell."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})" if self.pid else self.name


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that linger after a kill do not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port that nobody listens on and no outgoing connection will take meanwhile."""
    chosen = random.SystemRandom()
    for _ in range(TRIES):
        port = chosen.choice(BELOW_EPHEMERAL)
        if is_free(port):
            return port
    msg = f"found no free port from {BELOW_EPHEMERAL.start} to {BELOW_EPHEMERAL.stop - 1}"
    raise StackError(msg, remedy="stop what holds them")


def holder(port: int) -> Holder | None:
    """Who listens on a port; None: nobody does."""
    if is_free(port):
        return None
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
