"""The factory's MQTT broker: mosquitto where it is installed, else amqtt in this process.

mosquitto takes this process over, so that whoever kills the process kills the broker.
"""

import asyncio
import ctypes
import getpass
import os
import shutil
import signal
import sys
from typing import Final

from penstock.factory.model import Factory, FactoryError
from penstock.local.ports import holder

BROKER: Final = "mqtt_broker"
"""Its name beside those of the PLCs."""
_PLACES: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
"""Debian puts mosquitto where only root looks."""
_PDEATHSIG: Final = 1
"""Of Linux' prctl: a signal when the parent ends."""


def run_broker(factory: Factory) -> None:
    """Run the broker in the foreground until SIGTERM or Ctrl-C.

    Raises:
        FactoryError: Its port is taken.
    """
    where = f"mqtt://127.0.0.1:{factory.mqtt_port}"
    if holder(factory.mqtt_port) is not None:
        msg = f"{BROKER} cannot serve: the port is taken"
        raise FactoryError(msg, where=where, remedy="is it taken by another program?")
    mosquitto = shutil.which("mosquitto", path=_PLACES)
    sys.stdout.write(f"{BROKER}: {'mosquitto' if mosquitto else 'amqtt'} at {where}\n")
    sys.stdout.flush()
    if mosquitto is None:
        asyncio.run(_amqtt(factory.mqtt_port))
        return
    config = factory.folder / "mosquitto.conf"
    lines = [
        f"listener {factory.mqtt_port} 127.0.0.1", "allow_anonymous true", "persistence false",
        "max_queued_messages 0", "max_inflight_messages 0", f"user {getpass.getuser()}",
        "log_dest stderr", "log_type error", "log_type warning",
    ]  # fmt: skip
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if sys.platform == "linux":  # what watches our standard input does not live on in mosquitto
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM)
    os.execv(mosquitto, [mosquitto, "-c", str(config)])


async def _amqtt(port: int) -> None:
    from amqtt.broker import Broker  # noqa: PLC0415  # only where there is no mosquitto

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    broker = Broker({"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}})
    await broker.start()
    await stop.wait()
    await broker.shutdown()
