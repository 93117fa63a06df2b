"""Fetches what the local stack needs, with a progress bar.

For machines that cannot download: `python -m penstock.local.fetch DIR` gathers all files in DIR;
carry it over and start there with `penstock up --jars DIR`.
"""

import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from penstock.errors import PenstockError, StackError
from penstock.local import artifacts


def fetch(console: Console | None = None, jars: Path | None = None) -> list[Path]:
    """Have all files of the stack on this machine and verified; at once where they are already.

    Args:
        console: Where the bar is drawn while something is fetched; None, or no terminal: nowhere.
        jars: A folder that holds all files; nothing is fetched.

    Raises:
        StackError: A file is not what was pinned, is missing from `jars`, or cannot be fetched.
    """
    wanted = [*artifacts.pinned("kafka"), *artifacts.pinned("registry")]
    missing = [artifact for artifact in wanted if artifacts.find(artifact, jars) is None]
    if not missing or jars or console is None or not console.is_terminal:
        return artifacts.locate(wanted, jars)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=console) as bars:
        total = sum(artifact.size for artifact in missing)
        task = bars.add_task(f"Kafka and registry, {len(missing)} files", total=total)
        return artifacts.locate(wanted, progress=lambda count: bars.advance(task, count))


def gather(folder: Path, console: Console | None = None) -> int:
    """Copy all files into a folder; gives their number.

    Raises:
        StackError: A file cannot be fetched, or the folder cannot be written.
    """
    paths = fetch(console)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            shutil.copy2(path, folder)
    except OSError as error:
        msg = f"cannot write: {error.strerror}"
        raise StackError(msg, where=str(folder), remedy="choose a folder you own") from error
    return len(paths)


def main() -> None:
    """Gather all files in the folder that the command line names."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and one folder
        sys.exit("usage: python -m penstock.local.fetch DIR")
    try:
        count = gather(Path(sys.argv[1]), Console(stderr=True))
    except PenstockError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    sys.stdout.write(f"{count} files in {sys.argv[1]}\n")


if __name__ == "__main__":
    main()
