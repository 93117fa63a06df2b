"""A plant for the page: the simulated factory's machines at one moment, two of them in trouble."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import uvicorn

from penstock.clock import now
from penstock.codec.build import build_events
from penstock.connector import Sample
from penstock.console.access import Access
from penstock.console.app import application
from penstock.console.layout import layout
from penstock.console.serve import listen, run_server
from penstock.console.view import View
from penstock.factory import write_factory
from penstock.factory.layout import LINES
from penstock.factory.machine import FIELDS, Machine
from penstock.settings.loader import load_plant

CYCLE = 6_000
VERSION = {"epoch": 1, "offsets": [1], "emission": 1}


class Reader:
    """Stands for the thread that reads Kafka, which has a test of its own."""

    trouble = None
    lag = records = refused = skipped = 0


def plant(folder):
    return load_plant(write_factory(folder, opcua_port=4840, modbus_port=5020).plant)


def samples(place, time, **changed):
    """All tags of a machine as its device shows them at a cycle of the process."""
    machine = Machine(place, seed=1, speed=1.0)
    machine.advance(CYCLE)
    reading = machine.read(CYCLE)
    values = dict(zip((field.name for field in FIELDS), reading.fields, strict=True))
    for signal, steps in zip(machine.sensors.signals, reading.steps, strict=True):
        values[signal.name] = float(steps) / 10.0**signal.decimals
    for tag, value in (values | changed).items():
        kept = value if isinstance(value, str) else float(value)
        yield Sample(f"acme/bremen/{place.asset}", tag, kept, time)


def fill(view, *, failed="press02", state=6):
    """Put the machines' values, KPIs and an alert into a view; all machines but one produce."""
    time = now()
    for line in LINES:
        for place in line.places:
            code = 9 if place.name == failed else state
            found = list(samples(place, time, StateCurrent=code, UnitModeCurrent=1))
            for event in build_events(
                found, source=line.plc, session="s", sequences={}, ingest=time
            ):
                view.samples(event)
    for line, oee in (("stamping/line1", 0.5127), ("filling/line2", 0.8312)):
        view.kpi(figures(f"acme/bremen/{line}", oee, time))


def figures(line, oee, time, **more):
    return {
        "line": line, "asset": None, "kind": "sliding", "name": "1 h", "until": time,
        "incomplete": False, "work_units": 1, "missing": [], "standard": "iso22400",
        "version": VERSION, "coverage": 1.0, "flags": [],
        "kpis": {
            "oee": oee, "availability": oee + 0.1, "effectiveness": 0.941,
            "quality_ratio": 0.982, "mtbf": None,
        },
    } | more  # fmt: skip


def alert(asset="acme/bremen/stamping/line1/press01", **more):
    time = now()
    n = 40
    tags = ["bearing2_temperature", "main_drive_current", "main_drive_vibration"]
    rising = [[30 + k + max(0, i - 25) * (2.0 - k / 2) + (i % 3) / 4 for i in range(n)]
              for k in range(3)]  # fmt: skip
    return {
        "id": "a1b2c3d4e5f6", "asset": asset, "cause": "anomaly/pca", "severity": "high",
        "state": "raised", "message": "press01 does not behave as it normally does",
        "onset": time - 70_000_000, "raised": time - 40_000_000, "value": 1e-5, "limit": 1e-3,
        "acknowledged": None, "acknowledged_by": None, "note": None, "cleared": None,
        "version": VERSION, "revision": 1,
        "evidence": {
            "words": [
                "bearing2_temperature: 61 % of the deviation; 58.0 degC, 31.2 before",
                "main_drive_current: 22 % of the deviation; 48.5 A, 32.3 before",
                "main_drive_vibration: 9 % of the deviation; 46.1 mm/s, 33.1 before",
            ],
            "tags": tags, "shares": [0.61, 0.22, 0.09],
            "times": [time - (n - i) * 5_000_000 for i in range(n)],
            "values": [0.5] * n, "signals": [one for signal in rising for one in signal],
        },
    } | more  # fmt: skip


@contextmanager
def page(view, *, access=None, reader=None, tick_seconds=0.2) -> Iterator[SimpleNamespace]:
    """The real application on a free port, in a thread."""
    access = access or Access("127.0.0.1", None, None, None)
    app = application(view, reader or Reader(), access, tick_seconds=tick_seconds)
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            lifespan="off",
            timeout_graceful_shutdown=1,
            ssl_certfile=access.certificate,
            ssl_keyfile=access.key,
        )
    )
    thread = threading.Thread(target=run_server, args=(server, app, listener), daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    try:
        yield SimpleNamespace(url=access.url(port).rstrip("/"), port=port, app=app, view=view)
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
        assert not thread.is_alive()


def view_of(folder) -> View:
    return View(layout(plant(folder)))
