import pytest

from penstock.codec.wire import frame, unframe
from penstock.errors import DecodeError


def test_ids_of_four_bytes_come_back() -> None:
    for schema_id in (0, 1, 0x01020304, 2**32 - 1):
        assert unframe(frame(schema_id, b"\x00body")) == (schema_id, b"\x00body")


def test_id_is_big_endian() -> None:
    assert frame(0x01020304, b"x") == b"\x00\x01\x02\x03\x04x"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, "the record has no value"),
        (b"", "0 bytes are too short"),
        (b"\0\0\0\1", "4 bytes are too short"),
        (b'{"a": 1}', "the first byte is 0x7b, not the magic byte 0x00"),
    ],
)
def test_other_messages_are_refused(message: bytes | None, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason) as caught:
        unframe(message)
    assert caught.value.remedy
