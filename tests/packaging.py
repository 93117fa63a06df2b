"""Guards the wheel: five import names, their schemas, their entry points, and no more."""

import sys
import zipfile
from pathlib import Path, PurePosixPath

NAMES = {"connectors", "penstock", "schemas", "sinks", "streams"}
NEEDED = {"schemas/sensor_event.avsc", "penstock/py.typed", "penstock/local/pins.json"}


def problems(wheel: Path) -> list[str]:
    """What is wrong with a wheel, in words."""
    with zipfile.ZipFile(wheel) as archive:
        files = [PurePosixPath(name) for name in archive.namelist()]
        points = next(f for f in files if f.name == "entry_points.txt")
        declared = archive.read(str(points)).decode()
    tops = {file.parts[0] for file in files if not file.parts[0].endswith(".dist-info")}
    found = [f"unexpected top-level name {name}" for name in sorted(tops - NAMES)]
    found += [f"missing top-level name {name}" for name in sorted(NAMES - tops)]
    found += [f"missing file {name}" for name in sorted(NEEDED - {str(file) for file in files})]
    for line in declared.splitlines():
        if " = " in line:
            module = line.split(" = ")[1].split(":")[0].replace(".", "/")
            if not any(str(f) in {f"{module}.py", f"{module}/__init__.py"} for f in files):
                found.append(f"entry point without its module: {line}")
    return found


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1]))
    print("\n".join(wrong) or f"{sys.argv[1]}: five names, all entry points have their modules")
    sys.exit(1 if wrong else 0)
