"""A simulated factory: three lines, 14 machines, PLCs that speak OPC UA, Modbus and Sparkplug B.

`write_factory` builds a folder with all that the factory and a pipeline reading it need; `PLCS` are
the names of its PLCs, each a process of its own: `python -m penstock.factory.plc FOLDER NAME`.
`read_truth` tells afterwards what really happened.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from penstock.certificates import make_certificate
from penstock.clock import Clock, now
from penstock.factory.broker import BROKER
from penstock.factory.layout import CLIENT_URI, LINES, SERVER_URI
from penstock.factory.model import ERP, Factory, FactoryError, read_factory
from penstock.factory.plant import write_plant
from penstock.factory.schedule import CYCLE_US
from penstock.factory.truth_reader import Truth, TruthError, read_truth
from penstock.settings.plant import KafkaSettings

__all__ = [
    "BROKER",
    "ERP",
    "PLCS",
    "PROCESSES",
    "Factory",
    "FactoryError",
    "Truth",
    "TruthError",
    "read_factory",
    "read_truth",
    "write_factory",
]

PLCS: Final = tuple(line.plc for line in LINES)
PROCESSES: Final = (BROKER, *PLCS, ERP)
"""All that runs: the MQTT broker, the PLCs, and the ERP system, which writes orders to Kafka."""
_WINDOWS: Final[Mapping[str, str]] = {"10 s": "15 min", "1 min": "4 h", "1 h": "7 d"}


def write_factory(
    folder: Path,
    *,
    seed: int = 1,
    speed: float = 60.0,
    opcua_port: int = 4840,
    modbus_port: int = 5020,
    mqtt_port: int = 1883,
    windows: Mapping[str, str] = _WINDOWS,
    bootstrap: str = "127.0.0.1:9092",
    registry: str = "http://127.0.0.1:8081/apis/ccompat/v7",
    partitions: int = KafkaSettings().partitions,
    roll: str = "1 min",
    lake: Path = Path("lake"),
    alerts: bool = True,
    clock: Clock = now,
) -> Factory:
    """Build a factory, or give an existing one other ports and another configuration.

    An existing factory keeps its seed, speed, start, certificates and password, since its
    machines have gone on running.

    Args:
        folder: Where it goes.
        seed: Of all its randomness.
        speed: Seconds of the process per second of the clock.
        opcua_port: Of the OPC UA PLC.
        modbus_port: Of the Modbus PLC.
        mqtt_port: Of the MQTT broker.
        windows: How long windows of each size may be revised, as `{"5 s": "1 min"}`.
        bootstrap: Where Kafka is, for `plant.yaml`.
        registry: Address of the schema registry's API, for `plant.yaml`.
        partitions: Of the topics in Kafka, for `plant.yaml`.
        roll: Time between two commits of the lake.
        lake: Folder of the lake, from the factory's folder.
        alerts: Whether anomalies are scored, alerted of, and have maintenance asked for.
        clock: The wall clock.

    Raises:
        FactoryError: The existing factory's file was damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    t0 = clock() // CYCLE_US * CYCLE_US
    if (folder / "factory.json").exists():
        old = read_factory(folder)
        seed, speed, t0 = old.seed, old.speed, old.t0
    factory = Factory(folder, seed, speed, t0, opcua_port, modbus_port, mqtt_port)
    _make_secrets(factory)
    write_plant(
        factory,
        windows=windows,
        bootstrap=bootstrap,
        registry=registry,
        partitions=partitions,
        roll=roll,
        lake=lake,
        alerts=alerts,
    )
    factory.save()
    return factory


def _make_secrets(factory: Factory) -> None:
    """Certificates of both ends, each trusting the other's; a password. Existing ones are kept."""
    client = factory.folder / "certs"
    server = factory.folder / "plc"
    if not (server / "server.der").exists():
        make_certificate(
            client / "client.der", client / "client.pem", CLIENT_URI, common_name="Penstock"
        )
        make_certificate(
            server / "server.der", server / "server.pem", SERVER_URI, common_name="Press shop PLC"
        )
        for certificate, trusting in (
            (server / "server.der", client / "trusted"),
            (client / "client.der", server / "trusted"),
        ):
            trusting.mkdir(parents=True, exist_ok=True)
            (trusting / certificate.name).write_bytes(certificate.read_bytes())
    if not factory.password_file.exists():
        factory.password_file.parent.mkdir(parents=True, exist_ok=True)
        factory.password_file.touch(mode=0o600)
        factory.password_file.write_text(secrets.token_urlsafe(24))
