"""What a device may answer in the place of what it is asked for, or not at all."""

from typing import Final

from pymodbus.constants import ExcCodes

from penstock.errors import DeviceError

ILLEGAL: Final = {ExcCodes.ILLEGAL_FUNCTION, ExcCodes.ILLEGAL_ADDRESS, ExcCodes.ILLEGAL_VALUE}
UNREACHED: Final = {ExcCodes.GATEWAY_PATH_UNAVIABLE, ExcCodes.GATEWAY_NO_RESPONSE}


class NoAnswerError(DeviceError):
    """The device did not answer in time, answered nonsense, or hung up."""


class RefusedError(DeviceError):
    """The device answered with a Modbus exception.

    Args:
        exception: Its code.
        message: What was asked.
    """

    def __init__(self, exception: int, message: str) -> None:
        self.exception = exception
        names = {code.value: code.name.lower().replace("_", " ") for code in ExcCodes}
        super().__init__(f"{message}: {names.get(exception, f'exception {exception}')}")
