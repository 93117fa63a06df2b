"""What commands that ask about a plant, or a source of it, are given."""

from pathlib import Path
from typing import Annotated, Final

import typer

DEFAULT_CONFIG: Final = Path("plant.yaml")
_DEMO: Final = Path(".penstock/demo/plant.yaml")


def _chosen(context: typer.Context, config: Path) -> Path:
    """The folder's own plant goes before that of `make run`."""
    source = context.get_parameter_source("config")
    given = source is not None and source.name != "DEFAULT"
    return config if given or config.exists() or not _DEMO.exists() else _DEMO


Config = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        callback=_chosen,
        help="The plant's configuration.",
        show_default="plant.yaml; where there is none, that of `make run`",
    ),
]

SourceName = Annotated[str, typer.Argument(metavar="SOURCE", help="Its name in `sources`.")]
