"""Everything that Penstock raises on purpose, in one tree.

An error names the place, says what is wrong and what to do about it. Its `code` is stable
and may be searched for in the documentation; its `exit_code` is what the command line returns.
The docstring says what an error means and, in its second paragraph, what to do: both make the
catalogue, `docs/reference/errors.md`.
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
    """The plant's configuration, a tag list or a setting cannot be used as written.

    Correct the place that the message names; `penstock validate` finds all of a configuration
    at once.
    """

    code = "PEN-100"
    exit_code = 2


class UnknownComponentError(ConfigurationError):
    """A connector, processor or sink is named that no installed package offers.

    Correct the `type`, or install the package that offers it; the message suggests the nearest
    name.
    """

    code = "PEN-101"


class DecodeError(PenstockError):
    """Bytes do not follow their schema, or follow it and make no sense.

    Find out who wrote the record (`penstock dlq show`); correct that, then `penstock dlq
    retry`.
    """

    code = "PEN-200"


class UnknownSchemaError(PenstockError):
    """The registry knows no schema of this id: the record waits or is dead-lettered.

    Have its writer register the schema in this registry, then `penstock dlq retry`.
    """

    code = "PEN-201"


class IncompatibleSchemaError(PenstockError):
    """The registry refused a schema because readers of the old one would break.

    Add and remove only fields with a default, or write to a new major version of the topic.
    """

    code = "PEN-202"


class RegistryUnavailableError(PenstockError):
    """The schema registry does not answer.

    Start it, or correct `registry.url`. What is known already goes on meanwhile.
    """

    code = "PEN-203"
    exit_code = 3
    transient = True


class DeviceError(PenstockError):
    """A device cannot be reached, refuses us, or answers nonsense; the connector tries again.

    See the reason in the message: cable, address, port, certificate, or the device's own
    limits.
    """

    code = "PEN-300"
    exit_code = 3
    transient = True


class TopicError(PenstockError):
    """A topic is missing, or is not what its contract says.

    Set `kafka.partitions` as the message says, or let Penstock's user create topics.
    """

    code = "PEN-400"
    exit_code = 3


class StateError(PenstockError):
    """A processor's state cannot be used: another format, topic or parameters.

    Restore the old parameters, or start anew with `penstock streams reset`.
    """

    code = "PEN-401"
    exit_code = 3


class FencedError(PenstockError):
    """Another worker took over this partition: what was not yet committed here does not count.

    Nothing, where a worker was slow or moved. Where it goes on, two deployments share their names
    on one Kafka: give each a Kafka of its own.
    """

    code = "PEN-402"


class KafkaUnavailableError(PenstockError):
    """Kafka does not answer.

    Start it (`penstock up` for a local one), or correct `kafka.bootstrap`. Nothing is lost
    meanwhile.
    """

    code = "PEN-403"
    exit_code = 3
    transient = True


class ParkedError(PenstockError):
    """A partition stands still, by command or because it kept failing, until it is resumed.

    Mend the cause that the message names, then `penstock streams resume`.
    """

    code = "PEN-404"
    exit_code = 3


class StalledError(PenstockError):
    """A worker has records to read and reads none; a new process is to take its place.

    Nothing, once. Where it goes on, look at Kafka's own health.
    """

    code = "PEN-405"


class RunningError(PenstockError):
    """A processor's workers are running; what is asked needs them stopped or parked.

    Stop the workers, or `penstock streams park` the processor first.
    """

    code = "PEN-406"


class SelftestError(PenstockError):
    """A sample was sent, and no window came of it in time.

    See whether the workers of window-statistics are ready, and what their logs say.
    """

    code = "PEN-407"


class LakeError(PenstockError):
    """The lake cannot be written or read.

    Look at the disk or the object store and its credentials; records wait in Kafka.
    """

    code = "PEN-500"
    exit_code = 3
    transient = True


class LakeSchemaError(LakeError):
    """A column of a lake's table has another type than what is to be written to it.

    Move the table away, or let the sink write to another `path`.
    """

    code = "PEN-501"
    transient = False


class QueryError(LakeError):
    """A query of the lake is no SQL, or names what the lake does not have.

    Correct the query; `penstock lake query --help` names the tables.
    """

    code = "PEN-502"
    exit_code = 2
    transient = False


class StackError(PenstockError):
    """The local Kafka and registry cannot be started, stopped or found.

    See `penstock doctor`.
    """

    code = "PEN-600"
    exit_code = 4


class HistoryError(PenstockError):
    """A file of history cannot be read, or cannot be replayed as asked.

    The message names file, line and column. Correct the cell, or name other columns with `--time`
    and `--ignore`; a replay that was begun goes on with the same files only, or begins anew with
    `--again`.
    """

    code = "PEN-851"
    exit_code = 2


class BacktestError(PenstockError):
    """A backtest was asked for that makes no sense, or its labels cannot be read.

    Correct the option or the file of labels that the message names.
    """

    code = "PEN-850"
    exit_code = 2
