"""Stream processing beside peers: `python -m bench.streams [--quick] [--json]`.

All systems read the same topic of the same broker, in turn, `--rounds` times. Figures are medians
with their least and greatest; a ratio is the median of the rounds' own ratios. A system whose sums
are not the truth is refused.
"""

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import structlog

from bench import report
from bench.cluster import cluster
from bench.full import PARTS, full
from bench.quick import quick

FOLDER = Path(__file__).parents[1] / "docs" / "bench"


def main() -> None:
    """Run and print; without `--quick`, write table and plot."""
    parser = argparse.ArgumentParser(prog="bench.streams", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="Penstock and Kafka Streams only")
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else")
    parser.add_argument("--rounds", type=int, default=3, help="of the whole comparison")
    parser.add_argument("--samples", type=float, default=15e6, help="measured, of each input")
    parser.add_argument(
        "--only",
        default="",
        help="parts of the whole, as: columnar,latency; the others stay as they are in the folder",
    )
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of table and plot")
    arguments = parser.parse_args()
    only = [part for part in arguments.only.split(",") if part]
    if unknown := set(only) - PARTS.keys():
        parser.error(f"--only: no part {min(unknown)!r}; there are {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, _stop)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with cluster() as found:
        if arguments.quick:
            figures = quick(found, _tell)
        else:
            figures = report.known(arguments.out) if only else {}
            figures |= full(found, int(arguments.samples), arguments.rounds, only, _tell)
            report.write(figures, arguments.out)
    _print(figures, arguments.json)


def _print(figures: dict[str, Any], as_json: bool) -> None:
    print(json.dumps(figures, indent=2) if as_json else report.markdown(figures))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _stop(*_: object) -> NoReturn:
    sys.exit("stopped")


if __name__ == "__main__":
    main()
