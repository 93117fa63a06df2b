"""Reads a plant's configuration: YAML, tag lists and secrets, checked as a whole.

All that is wrong is reported at once, each problem with file, line, path and remedy.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from penstock import components
from penstock.connector import Connector, SourceSettings
from penstock.errors import ConfigurationError
from penstock.settings.explain import explained
from penstock.settings.files import Files
from penstock.settings.paths import paths, resolved
from penstock.settings.plant import NAME, Plant
from penstock.settings.problems import (
    InvalidConfigurationError,
    each,
    in_reading_order,
    suggestion,
)
from penstock.settings.references import check_references
from penstock.settings.secrets import Secrets
from penstock.settings.sections import GROUPS, Section, settings_model
from penstock.settings.tag_lists import read_tags
from penstock.settings.tags import Tag
from penstock.settings.yaml_file import Document, Place, read_yaml

_READ_FROM_FILES: Final = {
    "tags": "each source names its own tag list",
    "run_times": "'products' names the file",
}
"""Fields of `Plant` that nobody writes, and where what they hold is written."""
_COMPONENTS: Final = [(section,) for section in GROUPS]
_BELOW: Final[dict[Section, str]] = {
    "sources": "write 'name: {type: …}' lines below it",
    "processors": "write 'name: {enabled: true}' lines below it",
    "sinks": "write 'name: {type: …}' lines below it",
}


def load_plant(path: Path, needs: Collection[Place] | None = None) -> Plant:
    """Read and check a plant's configuration.

    Relative paths in it are taken from its own folder. Connectors are constructed, so that they
    judge the addresses; nothing is connected to.

    Args:
        path: The YAML file.
        needs: Of which sources, processors and sinks the secrets and certificates must be there,
            as ("sources", "press") or ("sinks",); None: of all. Others are best kept from who
            only runs these. What is named must be there itself.

    Raises:
        InvalidConfigurationError: Something is wrong; `problems` holds everything that is.
    """
    return _Loader(_read(path), needs).load()


def load_component(path: Path, section: Section, name: str) -> Plant:
    """Read a plant's configuration for the process of one component.

    The other sources, processors and sinks are left out and not judged, so that what they are made
    of is not loaded either: a worker of one processor starts in half the time, and a fault in the
    settings of one source does not keep the others from starting. The tags of all sources are
    there, and judged.

    Args:
        path: The YAML file.
        section: The component's section.
        name: Its name in it; a processor that is installed need not be written there.

    Raises:
        InvalidConfigurationError: Something else is wrong, or there is no such component.
    """
    return _Loader(_read(path), [(section, name)], only=(section, name)).load()


def load_source(path: Path, name: str) -> Connector:
    """Read one source of a plant's configuration, for commissioning.

    What is wrong elsewhere is passed over, and the tag list need not be there yet,
    or be empty as a shell makes it for `browse --as csv > tags.csv`.

    Returns:
        Its connector, which has not connected to anything.

    Raises:
        ConfigurationError: There is no such source, or something is wrong with it.
    """
    return _Loader(read_yaml(path)).source(name)


def _read(path: Path) -> Document:
    try:
        return read_yaml(path)
    except ConfigurationError as error:
        raise InvalidConfigurationError([error]) from None


class _Loader:
    """One reading of one configuration; problems gather on the way."""

    def __init__(
        self,
        document: Document,
        needs: Collection[Place] | None = None,
        only: tuple[Section, str] | None = None,
    ) -> None:
        self._document = document
        self._needs = needs
        self._only = only
        self._folder = document.path.parent.resolve()
        self._secrets = Secrets(document, self._needed)
        self._problems = list(document.problems)

    def load(self) -> Plant:
        data = self._secrets.fill()
        self._problems += self._secrets.problems
        if not isinstance(data, dict):
            self._add((), "is no configuration", "penstock init writes one to start from")
            raise self._failure()
        for place in self._needs or ():
            if len(place) > 1:
                self._problems += filter(None, [self._absent(data, *map(str, place))])
        sources = self._components(data, "sources")
        parts = {name: self._components(data, name) for name in ("processors", "sinks")}
        tags = self._tag_lists(data)
        plant = self._plant({**data, "sources": sources, **parts})
        self._problems += check_references(data, tags, self._document)
        for name, settings in sources.items():
            if tags.get(name):
                self._judge(name, settings, tags[name])
        files = Files(self._document, self._shown)
        found = {} if plant is None or self._problems else files.read(plant)
        self._problems += files.problems
        if plant is None or self._problems:
            raise self._failure()
        return plant.model_copy(update={"tags": tags, **found})

    def source(self, name: str) -> Connector:
        data = self._secrets.fill()
        if absent := self._absent(data, "sources", name):
            raise absent
        inside = f"sources.{name}"
        self._problems += [p for p in self._secrets.problems if p.message.startswith(inside)]
        part = {"sources": {name: data["sources"][name]}}
        settings = self._components(part, "sources").get(name)
        tags: tuple[Tag, ...] = ()
        if settings is not None and settings.tags.exists() and settings.tags.stat().st_size:
            tags = self._tag_lists(part).get(name, ())
        if settings is not None and not self._problems:
            self._judge(name, settings, tags)
        if settings is None or self._problems:
            raise self._failure()
        connector: Connector = components.load("connectors", settings.type)(name, settings, tags)
        return connector

    def _needed(self, place: Place) -> bool:
        """Whether the secrets and files named at a place must be there."""
        if self._needs is None or place[:1] not in _COMPONENTS:
            return True
        return any(place[: len(needed)] == needed for needed in self._needs)

    def _absent(self, data: Any, section: str, name: str) -> ConfigurationError | None:
        """The problem where there is no component that is asked for; processors need no lines."""
        written = data.get(section) if isinstance(data, dict) else None
        known = [*written] if isinstance(written, dict) else []
        if section == "processors":
            known = components.names("processors")
        if name in known:
            return None
        samples = "penstock connectors sample NAME writes one to start from"
        remedy = samples if section == "sources" else f"write it below '{section}'"
        remedy = suggestion(name, known) or remedy
        message = f"there is no {section.removesuffix('s')} {name!r}"
        return self._document.problem((section,), message, remedy=remedy)

    def _add(self, place: Place, message: str, remedy: str | None = None) -> None:
        self._problems.append(self._document.problem(place, message, remedy=remedy))

    def _failure(self) -> InvalidConfigurationError:
        return InvalidConfigurationError(
            [
                self._secrets.masked(problem)
                for problem in in_reading_order(self._problems, str(self._document.path))
            ]
        )

    def _plant(self, data: dict[str, Any]) -> Plant | None:
        for key, remedy in _READ_FROM_FILES.items():
            if data.pop(key, None) is not None:
                self._add((key,), "unknown key", remedy)
        try:
            plant: Plant = resolved(Plant.model_validate(data), self._folder)
        except ValidationError as error:
            self._problems += explained(error, Plant, self._document)
            return None
        for section in sorted(Plant.model_fields.keys() - {*GROUPS, *_READ_FROM_FILES}):
            self._check_files(getattr(plant, section), (section,))
        return plant

    def _components(self, data: dict[str, Any], section: Section) -> dict[str, Any]:
        """The settings of each source, processor or sink that are right."""
        written = data.get(section, {})
        if not isinstance(written, dict):
            self._add((section,), "is no section", _BELOW[section])
            return {}
        found: dict[str, Any] = {}
        for name, values in written.items():
            if self._only not in (None, (section, name)):
                continue
            if not NAME.fullmatch(name):
                message = "is no name: it is used in names of files, topics and groups"
                remedy = "use letters a to z, digits, '.', '_' and '-', a letter or digit first"
                self._add((section, name), message, remedy)
                continue
            model = self._model(section, name, values)
            if model is None:
                continue
            try:
                found[name] = resolved(model.model_validate(values), self._folder)
            except ValidationError as error:
                self._problems += explained(error, model, self._document, (section, name))
            else:
                if section == "sources" and self._needed((section, name)):
                    self._check_files(found[name], (section, name))
        return found

    def _model(self, section: Section, name: str, values: Any) -> type[BaseModel] | None:
        """The `Settings` of the component that a section's `type` names."""
        if not isinstance(values, dict):
            self._add((section, name), "is no section", "write 'key: value' lines below it")
            return None
        named = section == "processors"
        place = (section, name) if named else (section, name, "type")
        kind = name if named else values.get("type")
        if not isinstance(kind, str):
            known = ", ".join(components.names(GROUPS[section]))
            self._add(place, "is missing", f"known here: {known}")
            return None
        try:
            return settings_model(section, kind)
        except ConfigurationError as error:
            self._add(place, error.message, error.remedy)
            return None

    def _shown(self, path: Path) -> Path:
        """A path as a person at the configuration's folder would write it."""
        inside = path.is_relative_to(self._folder)
        parent = self._document.path.parent
        return parent / path.relative_to(self._folder) if inside else path

    def _check_files(self, settings: Any, base: Place) -> None:
        """What is read must be there; tag lists are looked at by their reader."""
        for place, path in paths(settings, base):
            if place[-1] != "tags" and not path.exists():
                message = f"there is no file or folder {self._shown(path)}"
                self._add(place, message, "put it there or correct the path")

    def _tag_lists(self, data: dict[str, Any]) -> dict[str, tuple[Tag, ...]]:
        """The tags of each source, also of those whose settings are wrong elsewhere."""
        sources = data.get("sources")
        found: dict[str, tuple[Tag, ...]] = {}
        for name, values in sources.items() if isinstance(sources, dict) else ():
            written = values.get("tags") if isinstance(values, dict) else None
            if not isinstance(written, str):
                continue
            path = resolved(Path(written), self._folder)
            if not path.is_file():
                fault = "is no file" if path.exists() else "there is no such tag list"
                message = f"{self._shown(path)}: {fault}"
                self._add(("sources", name, "tags"), message, "write the file or correct 'tags'")
                continue
            try:
                found[name] = read_tags(path, self._shown(path))
            except InvalidConfigurationError as error:
                self._problems += error.problems
        return found

    def _judge(self, name: str, settings: SourceSettings, tags: tuple[Tag, ...]) -> None:
        """Let the connector say whether it can use the addresses."""
        try:
            components.load("connectors", settings.type)(name, settings, tags)
        except ConfigurationError as error:
            for problem in each(error):
                problem.where = problem.where or self._document.where(("sources", name))
                self._problems.append(self._secrets.masked(problem, ("sources", name)))
