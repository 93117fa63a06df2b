"""Reads what a configuration names beside tag lists: products, and calendars' holidays."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from penstock.errors import ConfigurationError
from penstock.settings.holidays import read_holidays
from penstock.settings.plant import Plant
from penstock.settings.problems import InvalidConfigurationError, suggestion
from penstock.settings.products import read_products
from penstock.settings.yaml_file import Document


class Files:
    """One reading of them; what is wrong gathers in `problems`.

    Args:
        document: The configuration that names them.
        shown: A path as a person at the configuration's folder would write it.
    """

    def __init__(self, document: Document, shown: Callable[[Path], Path]) -> None:
        self._document, self._shown = document, shown
        self.problems: list[ConfigurationError] = []

    def read(self, plant: Plant) -> dict[str, Any]:
        """The fields of a plant that they decide."""
        return {**self._run_times(plant), "calendars": self._calendars(plant)}

    def _run_times(self, plant: Plant) -> dict[str, Any]:
        if plant.products is None:
            return {}
        try:
            run_times = read_products(plant.products, self._shown(plant.products))
        except InvalidConfigurationError as error:
            self.problems += error.problems
            return {}
        self._known_assets(plant, run_times)
        return {"run_times": run_times}

    def _known_assets(self, plant: Plant, run_times: Mapping[tuple[str, str], float]) -> None:
        for asset in sorted({asset for _, asset in run_times} - plant.assets.keys()):
            message = f"its file names an asset {asset!r} that is not in 'assets'"
            remedy = suggestion(asset, plant.assets) or "add it there"
            self.problems.append(self._document.problem(("products",), message, remedy=remedy))

    def _calendars(self, plant: Plant) -> dict[str, Any]:
        calendars = dict(plant.calendars)
        for name, calendar in calendars.items():
            if calendar.holidays is not None:
                try:
                    days = read_holidays(calendar.holidays, self._shown(calendar.holidays))
                except ConfigurationError as error:
                    self.problems.append(error)
                else:
                    calendars[name] = calendar.model_copy(update={"free_days": days})
        return calendars
