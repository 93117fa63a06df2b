"""The machines' equipment: groups of sensors, and the kinds of machine built from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from penstock.factory.schedule import Profile
from penstock.factory.signals import Signal


def mains() -> list[Signal]:
    """The electrical supply: three phases."""
    phases = [
        signal
        for phase in (1, 2, 3)
        for signal in (
            Signal(f"voltage_l{phase}", "V", 231.0, load=-3.0, wave=0.6, noise=0.3, decimals=1),
            Signal(f"current_l{phase}", "A", 1.5, load=38.0, wear=3.0, noise=0.3, high=120.0),
        )
    ]
    return [
        *phases,
        Signal("active_power", "kW", 0.8, load=24.0, wear=2.0, noise=0.2, high=90.0),
        Signal("power_factor", "", 0.62, load=0.28, noise=0.003, decimals=3, high=1.0),
        Signal("mains_frequency", "Hz", 50.0, wave=0.02, period=300, noise=0.004, decimals=3),
    ]


def drive(name: str, power: float = 1.0) -> list[Signal]:
    """A motor with its inverter; `power` scales what it draws."""
    return [
        Signal(f"{name}_speed", "1/min", 0.0, speed=1450.0, noise=1.5, decimals=1, high=3000.0),
        Signal(f"{name}_torque", "%", 2.0, load=70.0 * power, wave=4.0, noise=0.6, high=200.0),
        Signal(f"{name}_current", "A", 0.8, load=22.0 * power, wear=2.0, noise=0.15, high=120.0),
        Signal(f"{name}_temperature", "degC", 24.0, heat=46.0, wear=6.0, noise=0.08, high=150.0),
        Signal(f"{name}_vibration", "mm/s", 0.1, vibration=2.2, noise=0.05, high=45.0),
    ]


def bearing(number: int) -> list[Signal]:
    """A bearing with a vibration sensor on two axes."""
    shift = 0.2 * number
    name = f"bearing{number}"
    return [
        Signal(f"{name}_temperature", "degC", 22.0, heat=30.0, wear=14.0, noise=0.08, high=150.0),
        Signal(f"{name}_vibration_x", "mm/s", 0.1, vibration=1.8 + shift, noise=0.06, high=45.0),
        Signal(f"{name}_vibration_y", "mm/s", 0.1, vibration=1.5 + shift, noise=0.06, high=45.0),
    ]


def hydraulics() -> list[Signal]:
    """A hydraulic unit; its oil thins as it warms, its filter clogs with wear."""
    return [
        Signal("oil_pressure", "bar", 60.0, load=120.0, heat=-8.0, wave=5.0, noise=0.4, decimals=1),
        Signal("oil_flow", "l/min", 2.0, load=46.0, wear=-4.0, noise=0.2, high=120.0),
        Signal("oil_temperature", "degC", 26.0, heat=28.0, noise=0.06, high=120.0),
        Signal("oil_filter_drop", "bar", 0.2, load=0.4, wear=1.6, noise=0.01, high=10.0),
    ]


def pneumatics() -> list[Signal]:
    """Compressed air."""
    return [
        Signal("air_pressure", "bar", 6.4, load=-0.5, wave=0.1, noise=0.02, decimals=3, high=16.0),
        Signal("air_flow", "l/min", 15.0, load=220.0, wave=20.0, noise=2.0, decimals=1, high=900.0),
    ]


def coolant() -> list[Signal]:
    """A cooling circuit: what flows takes the heat away."""
    return [
        Signal("coolant_flow", "l/min", 0.5, speed=18.0, wear=-2.0, noise=0.1, high=60.0),
        Signal("coolant_supply_temperature", "degC", 18.0, heat=1.5, noise=0.04, high=90.0),
        Signal("coolant_return_temperature", "degC", 18.2, heat=11.0, noise=0.05, high=90.0),
    ]


def zone(number: int) -> list[Signal]:
    """A temperature zone with its heater."""
    target = 60.0 + 10.0 * number
    name = f"zone{number}"
    return [
        Signal(f"{name}_temperature", "degC", 22.0, heat=target, wave=0.8, noise=0.1, decimals=1),
        Signal(f"{name}_heater", "%", 6.0, load=48.0, heat=-12.0, noise=0.6, high=100.0),
    ]


def fluid(number: int) -> list[Signal]:
    """A product pipe: flow falls and pressure rises as it fouls."""
    name = f"pipe{number}"
    return [
        Signal(f"{name}_flow", "m3/h", 0.0, speed=26.0, wear=-3.0, wave=0.5, noise=0.1, high=90.0),
        Signal(f"{name}_pressure", "bar", 1.0, load=4.2, wear=0.7, noise=0.02, decimals=3),
        Signal(f"{name}_temperature", "degC", 20.0, heat=16.0, noise=0.05, high=150.0),
    ]


def tank(number: int) -> list[Signal]:
    """A vessel."""
    name = f"tank{number}"
    return [
        Signal(f"{name}_level", "%", 62.0, load=6.0, wave=14.0, period=600, noise=0.1, high=100.0),
        Signal(f"{name}_temperature", "degC", 21.0, heat=24.0, noise=0.05, high=150.0),
        Signal(f"{name}_density", "kg/m3", 1008.0, heat=-9.0, noise=0.2, decimals=1, high=2000.0),
    ]


def quality() -> list[Signal]:
    """Measurements of the piece just made; they drift with wear."""
    return [
        Signal("piece_weight", "g", 412.0, wear=3.0, wave=0.4, noise=0.5, high=900.0),
        Signal("piece_length", "mm", 84.0, heat=0.05, wear=0.2, noise=0.01, decimals=3),
        Signal("reject_torque", "Nm", 3.2, wear=0.8, noise=0.05, high=20.0),
    ]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of machine."""

    name: str
    profile: Profile
    signals: tuple[Signal, ...]


def _kind(name: str, profile: Profile, *groups: list[Signal]) -> tuple[str, Kind]:
    signals = tuple(signal for group in groups for signal in group)
    return name, Kind(name, profile, signals)


def _drives(*names: str) -> list[Signal]:
    return [signal for name in names for signal in drive(name)]


def _bearings(count: int) -> list[Signal]:
    return [signal for number in range(1, count + 1) for signal in bearing(number)]


def _zones(count: int) -> list[Signal]:
    return [signal for number in range(1, count + 1) for signal in zone(number)]


def _fluids(pipes: int, tanks: int) -> list[Signal]:
    return [signal for number in range(1, pipes + 1) for signal in fluid(number)] + [
        signal for number in range(1, tanks + 1) for signal in tank(number)
    ]


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    dict(
        [
            _kind(
                "press",
                Profile(piece=1.3, setup=90, life=1500, load=0.85),
                mains(),
                _drives("main_drive", "feeder"),
                _bearings(3),
                hydraulics(),
            ),
            _kind(
                "cnc",
                Profile(piece=1.2, setup=100, life=2400, scrap=0.01, load=0.7),
                mains(),
                _drives("spindle", "axis_x", "axis_z"),
                _bearings(1),
                coolant(),
                pneumatics(),
            ),
            _kind(
                "packer",
                Profile(piece=1.1, setup=45, life=2000, stop_every=700, scrap=0.004, load=0.5),
                mains(),
                _drives("conveyor", "sealer"),
                _bearings(2),
                pneumatics(),
                _zones(1),
                quality(),
            ),
            _kind(
                "pump",
                Profile(piece=1.0, setup=30, life=1400, stop_every=2700, scrap=0.002, load=0.75),
                mains(),
                _drives("motor", "booster"),
                _bearings(6),
                hydraulics(),
                _fluids(3, 1),
            ),
            _kind(
                "mixer",
                Profile(piece=1.05, setup=80, life=2600, scrap=0.005, load=0.8),
                mains(),
                _drives("agitator", "discharge", "dosing"),
                _bearings(2),
                _zones(4),
                _fluids(2, 2),
                coolant(),
            ),
            _kind(
                "filler",
                Profile(piece=1.25, setup=60, life=2000, stop_every=600, scrap=0.007, load=0.6),
                mains(),
                _drives("carousel", "infeed", "capper"),
                _bearings(4),
                _zones(2),
                _fluids(2, 1),
                pneumatics(),
                quality(),
            ),
            _kind(
                "palletizer",
                Profile(piece=1.1, setup=20, life=3000, stop_every=900, scrap=0.001, load=0.55),
                mains(),
                _drives("axis_1", "axis_2", "axis_3", "axis_4"),
                _bearings(5),
                pneumatics(),
                hydraulics(),
                quality(),
            ),
        ]
    )
)
