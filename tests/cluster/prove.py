"""Installs the chart in a real cluster, kills what can be killed, and audits after each.

    KUBECTL="kubectl" HELM="helm" python tests/cluster/prove.py FOLDER [STEP…]

FOLDER is on the node, for the data of Kafka, registry and lake. The images `localhost/testbed:1`
(`testbed.Dockerfile`), `localhost/penstock:0.1.0` (best of older code) and `:0.1.1` (of this code)
are on the node. The table goes to `FOLDER/table.md`. See docs/bench/kubernetes.md.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

HERE = Path(__file__).parent
CHART = HERE.parents[1] / "helm" / "penstock"
KUBECTL = shlex.split(os.environ.get("KUBECTL", "kubectl"))
HELM = shlex.split(os.environ.get("HELM", "helm"))
NS = ["-n", "plant"]
NEW_IMAGE = ("--set", "image.tag=0.1.1")
OTHER_WINDOWS = 'plant.windows.sizes={"3 s":{"reopen_for":"10 min"}}'
DEADLINE = 240.0
ANSWER = 60.0
"""Seconds within which the audit has to be answered."""
SETTLED = 1.0
"""Seconds behind a usual moment, within which results count as flowing again."""


def run(command: list[str], *, check: bool = True, given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"{shlex.join(command)}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def kubectl(*words: str, **more: Any) -> str:
    return run([*KUBECTL, *words], **more)


def until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> float:
    """Poll until it holds; gives the seconds that took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise SystemExit(f"not within {seconds:.0f} s: {what}\n{kubectl(*NS, 'get', 'pods')}")
        time.sleep(0.3)
    return time.monotonic() - began


def pods(selector: str = "app.kubernetes.io/component!=tool") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        kubectl(*NS, "get", "pods", "-l", selector, "-o", "json")
    )["items"]
    return found


def ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    return "deletionTimestamp" not in pod["metadata"] and any(
        one["type"] == "Ready" and one["status"] == "True" for one in conditions
    )


def all_ready(count: int) -> bool:
    found = pods()
    return len(found) == count and all(map(ready, found))


def results() -> list[dict[str, float]]:
    """What the onlooker saw."""
    lines = kubectl("-n", "kafka", "logs", "deploy/onlooker", "--tail=-1").splitlines()
    parsed = (json.loads(line) for line in lines if line.startswith("{"))
    return [one for one in parsed if "at" in one]


class Proof:
    """Steps, and the table of what came of them."""

    values: ClassVar[tuple[Path, ...]] = (HERE / "values.yaml",)
    every: ClassVar[tuple[str, ...]] = (
        "prepare", "install", "kpis", "test", "kill", "scale", "broker", "drain", "upgrade",
        "bad_upgrade",
    )  # fmt: skip
    """The steps, in order."""
    plcs = 3
    """Modbus devices of 40 tags."""
    as_tools: ClassVar[tuple[str, ...]] = ()
    """Before a command in a component's pod, whose user in Kafka may not ask about others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files = [word for file in self.values for word in ("-f", str(file))]
        tags = [f"--set-file=files.tags/m{n}\\.csv={folder}/m{n}.csv" for n in range(self.plcs)]
        self.release = ["proof", str(CHART), *NS, *files, *tags]
        self.rows: list[tuple[str, str, str, str, str]] = []
        self.count = 0

    def audit(self) -> str:
        """What `penstock audit` says, in the sink's pod, once Kafka answers it."""
        deadline = time.monotonic() + ANSWER
        while isinstance(found := self._audit(), str):
            if time.monotonic() > deadline:
                return f"no audit: {found}"
            time.sleep(3)
        records = sum(sum(one["records"].values()) for one in found["processors"])
        different = found["differences"]
        return f"{len(different)} differences" + (
            f": {different[:3]}" if different else f" in {records:,} records booked"
        )

    def _audit(self) -> dict[str, Any] | str:
        """The report, or why there is none."""
        pod = pods("penstock.io/name=lake")[0]["metadata"]["name"]
        words = ["exec", pod, "-c", "sink", "--", *self.as_tools, "penstock", "audit", "--json",
                 "--config", "/etc/penstock/plant.yaml"]  # fmt: skip
        told = kubectl(*NS, *words, check=False)
        try:
            found: dict[str, Any] = json.loads(told[told.index("{") : told.rindex("}") + 1])
        except ValueError:
            return told[-300:]
        return found

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Do something under load; afterwards wait until all is ready and results flow."""
        print(f"== {name}", flush=True)
        began = time.time()
        yield
        until(lambda: all_ready(self.count), "all pods ready")
        back = time.time() - began
        until(lambda: bool(results()[-5:]) and self.flows(), "results flow again")
        current = time.time() - began
        time.sleep(4)
        seen = [one for one in results() if began - 3 < one["at"]]
        times = [one["at"] for one in seen]
        pause = max(b - a for a, b in pairwise(times))
        self.row(name, f"{back:.1f}", f"{current:.1f}", f"{pause:.1f}", self.audit())

    def flows(self) -> bool:
        newest = results()[-1]
        return newest["behind"] < 3 + SETTLED and time.time() - newest["at"] < 3

    def row(self, name: str, back: str, current: str, pause: str, audited: str) -> None:
        self.rows.append((name, back, current, pause, audited))
        print(f"   load average {os.getloadavg()[0]:.0f}", flush=True)
        print(
            f"   ready after {back} s, results up to date after {current} s, "
            f"longest pause of results {pause} s, audit: {audited}",
            flush=True,
        )
        lines = [f"| {' | '.join(row)} |" for row in self.rows]
        (self.folder / "table.md").write_text("\n".join(lines) + "\n")

    def helm(self, *words: str, check: bool = True) -> str:
        return run([*HELM, *words], check=check)

    def good(self) -> str:
        """The revision that works: `helm rollback` alone takes the last one, even if it failed."""
        told = json.loads(self.helm("history", "proof", *NS, "-o", "json"))
        return str([one["revision"] for one in told if one["status"] == "deployed"][-1])

    def prepare(self) -> None:
        """Kafka, registry, devices; a namespace that enforces Pod Security `restricted`."""
        for n in range(self.plcs):
            rows = [f"area/line1/m{n},t{k:02},1/{40001 + k},uint16" for k in range(40)]
            (self.folder / f"m{n}.csv").write_text(
                "\n".join(["asset,tag,address,type", *rows]) + "\n"
            )
        for name in ("kafka", "registry", "lake"):
            (self.folder / name).mkdir(exist_ok=True)
            os.chown(self.folder / name, 10001, 10001)
        for name in ("kafka", "plant"):
            kubectl("create", "namespace", name, check=False)
        kubectl("label", "--overwrite", "namespace", "plant",
                "pod-security.kubernetes.io/enforce=restricted")  # fmt: skip
        self.secure()
        text = (HERE / "testbed.yaml").read_text().replace("TESTBED", str(self.folder))
        kubectl("apply", "-f", "-", given=text)
        for name in ("statefulset/kafka", "deploy/registry", "deploy/plc", "deploy/onlooker"):
            kubectl("-n", "kafka", "rollout", "status", name, "--timeout=120s")

    def secure(self) -> None:
        """Secrets that have to be there first: none here."""

    def install(self) -> None:
        began = time.time()
        self.helm("install", *self.release, "--wait", "--timeout", "4m")
        self.count = len(pods())
        took = time.time() - began
        until(lambda: bool(results()) and self.flows(), "results flow")
        self.row("install, until all pods are ready", f"{took:.1f}", "", "", self.audit())

    def kpis(self) -> None:
        pod = pods("penstock.io/name=lake")[0]["metadata"]["name"]
        sql = "select count(*) as found from kpis"
        told = ""

        def there() -> bool:
            nonlocal told
            told = kubectl(*NS, "exec", pod, "-c", "sink", "--", "penstock", "lake", "query",
                           sql, "--json", "--config", "/etc/penstock/plant.yaml",
                           check=False)  # fmt: skip
            return told.startswith("{") and bool(json.loads(told)["found"])

        until(there, "KPIs in the lake")
        print(told, flush=True)

    def test(self) -> None:
        began = time.time()
        told = self.helm("test", "proof", *NS, "--logs", "--timeout", "3m")
        print(told[-400:], flush=True)
        assert "its window came after" in told
        self.row("`helm test`", f"{time.time() - began:.1f}", "", "", self.audit())

    def kill(self) -> None:
        with self.step("worker of window-statistics killed (`delete --force`)"):
            kubectl(*NS, "delete", "pod", "proof-penstock-processor-window-statistics-0",
                    "--force", "--grace-period=0")  # fmt: skip
            time.sleep(1)

    def scale(self) -> None:
        for count in (3, 1):
            with self.step(f"workers of window-statistics to {count}"):
                kubectl(*NS, "scale", "statefulset/proof-penstock-processor-window-statistics",
                        f"--replicas={count}")  # fmt: skip
                self.count += count - (1 if count == 3 else 3)

    def broker(self) -> None:
        with self.step("broker's pod deleted"):
            kubectl("-n", "kafka", "delete", "pod", "kafka-0")
            kubectl("-n", "kafka", "rollout", "status", "statefulset/kafka", "--timeout=120s")

    def drain(self) -> None:
        with self.step("node drained of the plant's pods, then free again"):
            node = pods()[0]["spec"]["nodeName"]
            kubectl("drain", node, "--pod-selector=app.kubernetes.io/name=penstock",
                    "--delete-emptydir-data", "--timeout=120s")  # fmt: skip
            kubectl("uncordon", node)

    def upgrade(self) -> None:
        with self.step("upgrade to a new image"):
            self.helm("upgrade", *self.release, *NEW_IMAGE, "--wait", "--timeout", "4m")

    def bad_upgrade(self) -> None:
        with self.step("upgrade with other windows than the stored state: the check stops it"):
            told = self.helm("upgrade", *self.release, *NEW_IMAGE, "--set-json", OTHER_WINDOWS,
                             check=False)  # fmt: skip
            assert "UPGRADE FAILED" in told, told
            print(told[-300:], flush=True)
            job = kubectl(*NS, "logs", "job/proof-penstock-check", "--all-containers", check=False)
            print(job[-600:], flush=True)
            assert "the state is of other parameters" in job
        with self.step("upgrade that `validate` refuses, rolled back"):
            told = self.helm("upgrade", *self.release, *NEW_IMAGE, "--set",
                             "plant.site.timezone=Europe/Bremen", "--set",
                             "upgradeCheck.enabled=false", "--wait", "--timeout", "40s",
                             check=False)  # fmt: skip
            assert "UPGRADE FAILED" in told, told
            failed = [one for one in pods() if not ready(one)]
            name = failed[0]["metadata"]["name"]
            print(kubectl(*NS, "logs", name, "-c", "validate", check=False)[-400:], flush=True)
            print(kubectl(*NS, "describe", "pod", name)[-1500:], flush=True)
            self.helm("rollback", "proof", self.good(), *NS, "--wait", "--timeout", "4m")


def main(proof: Proof, steps: Sequence[str]) -> None:
    proof.folder.mkdir(parents=True, exist_ok=True)
    for name in steps or proof.every:
        if name not in {"prepare", "install"} and not proof.count:
            proof.count = len(pods())
        getattr(proof, name)()


if __name__ == "__main__":
    main(Proof(Path(sys.argv[1]).absolute()), sys.argv[2:])
