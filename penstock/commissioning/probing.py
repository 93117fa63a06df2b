"""Probes for people and for scripts: of one source, or of all, one after the other."""

from typing import Any

from penstock import components
from penstock.connector import Connector, Probe
from penstock.errors import DeviceError, PenstockError
from penstock.settings.plant import Plant


async def probe_all(plant: Plant) -> dict[str, Probe | DeviceError]:
    """Probe every source; one that fails is its error, and the others are probed all the same."""
    found: dict[str, Probe | DeviceError] = {}
    for name, settings in plant.sources.items():
        component = components.load("connectors", settings.type)
        connector: Connector = component(name, settings, plant.tags[name])
        try:
            found[name] = await connector.probe()
        except DeviceError as error:
            found[name] = error
    return found


def problems_of(result: Probe | DeviceError) -> list[PenstockError]:
    """What is wrong with a source."""
    return [result] if isinstance(result, DeviceError) else list(result.problems)


def as_lines(source: str, result: Probe | DeviceError) -> list[str]:
    """What was found, for people."""
    lines = [f"{source}: does not answer as it should"]
    if isinstance(result, Probe):
        lines = [f"{source}: {result.identity} answers in {result.latency_ms:.1f} ms"]
        lines += [f"  {name:<15} {value}" for name, value in result.details.items()]
    for problem in problems_of(result):
        where = f"{problem.where}: " if problem.where else ""
        lines.append(f"  problem: {where}{problem.message}")
        if problem.remedy:
            lines.append(f"    → {problem.remedy}")
    return lines


def as_json(source: str, result: Probe | DeviceError) -> dict[str, Any]:
    """What was found, for scripts."""
    found: dict[str, Any] = {"source": source}
    if isinstance(result, Probe):
        found |= {
            "identity": result.identity,
            "latency_ms": result.latency_ms,
            "details": result.details,
        }
    problems = [
        {"code": p.code, "where": p.where, "message": p.message, "remedy": p.remedy}
        for p in problems_of(result)
    ]
    return found | {"problems": problems}
