"""Quality of a sample: an OPC UA status code, kept as the signed 32-bit integer of the same bits.

Source: OPC 10000-4, 7.39 (StatusCode); the names and values are those of the OPC Foundation's
`StatusCode.csv`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray


def signed(status: int) -> int:
    """The signed 32-bit integer with the same bits as an unsigned status code.

    >>> signed(0x80310000)
    -2144272384
    """
    return status - (1 << 32) if status >= 1 << 31 else status


def unsigned(quality: int) -> int:
    """The status code, as the standard writes it, of a stored quality.

    >>> hex(unsigned(-2144272384))
    '0x80310000'
    """
    return quality & 0xFFFFFFFF


GOOD: Final = 0
UNCERTAIN_LAST_USABLE_VALUE: Final = signed(0x40900000)
"""The value is old: no news of it came for longer than its tag allows (stale)."""
UNCERTAIN: Final = signed(0x40000000)
BAD: Final = signed(0x80000000)
BAD_NO_COMMUNICATION: Final = signed(0x80310000)
"""The link to the device is lost; what follows until the next good sample is a gap."""
BAD_USER_ACCESS_DENIED: Final = signed(0x801F0000)
BAD_WAITING_FOR_INITIAL_DATA: Final = signed(0x80320000)
BAD_OUT_OF_RANGE: Final = signed(0x803C0000)
BAD_NOT_SUPPORTED: Final = signed(0x803D0000)
BAD_TYPE_MISMATCH: Final = signed(0x80740000)
BAD_DATA_ENCODING_INVALID: Final = signed(0x80380000)
BAD_DEVICE_FAILURE: Final = signed(0x808B0000)
BAD_NO_DATA: Final = signed(0x809B0000)


def is_good(quality: int) -> bool:
    """Whether the severity bits (31 and 30) say good.

    >>> is_good(GOOD), is_good(UNCERTAIN_LAST_USABLE_VALUE), is_good(BAD)
    (True, False, False)
    """
    return (quality & 0xC0000000) == 0


def good_mask(quality: NDArray[np.int32]) -> NDArray[np.bool_]:
    """`is_good` of a column."""
    mask: NDArray[np.bool_] = (quality.view(np.uint32) >> 30) == 0
    return mask
