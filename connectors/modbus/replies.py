"""What to say of bytes that came in the place of an answer. Pure."""

from penstock.strangers import known_by, shown

_LONGEST = 260
"""Bytes of a Modbus/TCP frame."""


def judged(heard: bytes, unit: int, *, rtu: bool) -> tuple[str, str]:
    """What came instead of an answer, and the remedy.

    Args:
        heard: The first bytes that came after the request; not empty.
        unit: That was asked.
        rtu: Whether RTU frames were expected.
    """
    is_tcp = _is_tcp(heard)
    if is_tcp and rtu:
        return "the device answers in frames of Modbus/TCP", "set framing: tcp"
    if is_tcp:
        if len(heard) > 6 and heard[6] != unit:  # noqa: PLR2004 (the unit's place, as the standard)
            return f"unit {heard[6]} answered in the place of unit {unit}", "check the unit"
        return (
            "the device answered another request, or half of this one",
            "raise limits.timeout, and limits.pause if it goes on",
        )
    if heard[0] == unit and not known_by(heard):
        if rtu:
            return "the answer is incomplete or its checksum is wrong", "check framing and wiring"
        return "the device answers in RTU frames, it seems", "set framing: rtu-over-tcp"
    who = known_by(heard) or "it"
    return (
        f"the device answers, but not in Modbus: {who} said {shown(heard)}",
        "check host and port: Modbus/TCP mostly listens on 502; Modbus over TLS is not supported",
    )


def _is_tcp(heard: bytes) -> bool:
    """Whether bytes begin like a Modbus/TCP frame: protocol 0 and a length that may be."""
    return heard[2:4] == b"\0\0" and int.from_bytes(heard[4:6], "big") < _LONGEST
