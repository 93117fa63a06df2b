"""Everything that Penstock raises on purpose, in one tree.

An error names the place, says what is wrong and what to do about it. Its `code` is stable
and may be searched for in the documentation; its `exit_code` is what the command line returns.
"""

from typing import ClassVar


class PenstockError(Exception):
    """Base of all errors that Penstock raises on purpose.

    Args:
        message: What is wrong, in a sentence.
        where: The place: a file and line, a topic and offset, an address of a device.
        remedy: What a person can do about it.
    """

    code: ClassVar[str] = "PEN-000"
    exit_code: ClassVar[int] = 1
    transient: ClassVar[bool] = False
    """Whether waiting may help: somebody does not answer who may do so later."""

    def __init__(
        self, message: str, *, where: str | None = None, remedy: str | None = None
    ) -> None:
        self.message = message
        self.where = where
        self.remedy = remedy
        super().__init__(message)

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.remedy})" if self.remedy else text


class ConfigurationError(PenstockError):
    """The plant's configuration, a tag list or a setting cannot be used as written."""

    code = "PEN-100"
    exit_code = 2


class UnknownComponentError(ConfigurationError):
    """A connector, processor or sink is named that no installed package offers."""

    code = "PEN-101"


class DecodeError(PenstockError):
    """Bytes do not follow their schema, or follow it and make no sense."""

    code = "PEN-200"


class UnknownSchemaError(PenstockError):
    """The registry knows no schema of this id: the record waits or is dead-lettered."""

    code = "PEN-201"


class IncompatibleSchemaError(PenstockError):
    """The registry refused a schema because readers of the old one would break."""

    code = "PEN-202"


class RegistryUnavailableError(PenstockError):
    """The schema registry does not answer."""

    code = "PEN-203"
    exit_code = 3
    transient = True


class DeviceError(PenstockError):
    """A device cannot be reached, refuses us, or answers nonsense; the connector tries again."""

    code = "PEN-300"
    exit_code = 3
    transient = True


class TopicError(PenstockError):
    """A topic is missing, or is not what its contract says."""

    code = "PEN-400"
    exit_code = 3


class StateError(PenstockError):
    """A processor's state cannot be used: another format, topic or parameters."""

    code = "PEN-401"
    exit_code = 3


class FencedError(PenstockError):
    """Another worker took over this partition: what was not yet committed here does not count."""

    code = "PEN-402"


class KafkaUnavailableError(PenstockError):
    """Kafka does not answer."""

    code = "PEN-403"
    exit_code = 3
    transient = True


class ParkedError(PenstockError):
    """A partition stands still, by command or because it kept failing, until it is resumed."""

    code = "PEN-404"
    exit_code = 3


class StalledError(PenstockError):
    """A worker has records to read and reads none; a new process is to take its place."""

    code = "PEN-405"


class RunningError(PenstockError):
    """A processor's workers are running; what is asked needs them stopped or parked."""

    code = "PEN-406"


class LakeError(PenstockError):
    """The lake cannot be written or read."""

    code = "PEN-500"
    exit_code = 3
    transient = True


class LakeSchemaError(LakeError):
    """A column of a lake's table has another type than what is to be written to it."""

    code = "PEN-501"
    transient = False


class QueryError(LakeError):
    """A query of the lake is no SQL, or names what the lake does not have."""

    code = "PEN-502"
    exit_code = 2
    transient = False


class StackError(PenstockError):
    """The local Kafka and registry cannot be started, stopped or found."""

    code = "PEN-600"
    exit_code = 4
