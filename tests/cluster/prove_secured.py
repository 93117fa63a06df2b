"""Installs the chart where all is locked, and tries wrong secrets and certificates that end.

    KUBECTL="kubectl" HELM="helm" python tests/cluster/prove_secured.py FOLDER [STEP…]

As `prove.py`, whose plant must not be there. The values are examples/values-secured.yaml with what
a cluster of one node has otherwise: a Kafka over TLS that knows users by password (SCRAM) and
lets each do what `penstock topics acls` names, a registry over HTTPS, an OPC UA server with
certificates. What the pods said goes to `FOLDER/words.txt`.
"""

import base64
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from penstock.certificates import make_certificate
from penstock.runtime.rights import TOOLS, rights_of_plant
from penstock.settings.loader import load_plant

sys.path.insert(0, str(Path(__file__).parent))
from authority import Authority
from prove import CHART, HERE, NS, Proof, kubectl, main, pods, ready, until

EXAMPLE = CHART.parents[1] / "examples" / "values-secured.yaml"
HOSTS = [f"{name}.kafka.svc.cluster.local" for name in ("kafka", "registry")]
CONSOLE = "proof-penstock-console.plant.svc"
NAMES = ("press_plc", "window-statistics", "lake")
SOME = (
    "deployment/proof-penstock-connector-press-plc",
    "statefulset/proof-penstock-processor-window-statistics",
    "deployment/proof-penstock-sink-lake",
)
"""One of each role, restarted after a change of secrets."""
EVERY = ("deployment,statefulset", "-l", "app.kubernetes.io/instance=proof")
TOPICS = "penstock-topics"
"""The user of the job that makes topics."""
TOKEN = "let-the-shift-see-it"
SHORT = timedelta(minutes=4)
"""Of a certificate that ends while all run: long enough for all to come back with it."""
REFUSED_SECONDS = 20
"""How long a refused pod is watched: it must stay, and say why."""


class Secured(Proof):
    """The secured plant: its secrets, and what is wrong with them at times."""

    values = (EXAMPLE, HERE / "values-secured.yaml")
    plcs = 1
    every = ("prepare", "install", "test", "console", "kill", "password", "authority", "expired",
             "renewed", "rotated")  # fmt: skip

    as_tools = ("env", "KAFKA_USER=penstock-tools", "KAFKA_PASSWORD=of-penstock-tools")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.first, self.second = (Authority(name, folder) for name in ("first", "second"))

    def secure(self) -> None:
        for user in self.rights():
            self.user(user)
        page = self.first.sign("console", [CONSOLE])
        secret("plant", "console-tls", {"tls.crt": page.certificate, "tls.key": page.key})
        secret("plant", "console-token", {"token": TOKEN})
        secret("plant", "registry-penstock", {"user": "penstock", "password": "unused"})
        secret("plant", "press-plc", {"password": "open sesame"})
        server, client = self.certificates()
        secret("plant", "press-plc-opcua", client)
        more = {"opcua-password": "open sesame", "onlooker-password": "of-onlooker"}
        secret("kafka", "testbed", server | more)
        self.trust(self.first.certificate)
        self.serve(self.first)

    def prepare(self) -> None:
        for name in ("kafka", "plant"):
            kubectl("create", "namespace", name, check=False)
        super().prepare()
        told = [
            {"user": user, "password": f"of-{user}", "rights": rights}
            for user, rights in self.rights().items()
        ]
        seen = {"resource": "topic", "name": "ot.features.v1", "pattern": "literal",
                "operations": ["Read"]}  # fmt: skip
        asked = {"resource": "group", "name": "onlooker-", "pattern": "prefix",
                 "operations": ["Describe"]}  # fmt: skip
        onlooker = {"user": "onlooker", "password": "of-onlooker", "rights": [seen, asked]}
        kubectl("-n", "kafka", "exec", "-i", "kafka-0", "--", "python", "/testbed.py", "admin",
                given=json.dumps([*told, onlooker]))  # fmt: skip

    def user(self, name: str, password: str | None = None) -> None:
        """A user's secret, which is called as the user."""
        own = self.first.sign(name)
        secret("plant", name, {"user": name, "password": password or f"of-{name}",
                               "user.crt": own.certificate, "user.key": own.key})  # fmt: skip

    def rights(self) -> dict[str, list[dict[str, Any]]]:
        """By user, as `penstock topics acls` has them."""
        values: dict[str, Any] = {}
        for file in self.values:
            _merge(values, yaml.safe_load(file.read_text()))
        place = self.folder / "plant"
        for path, text in values["files"].items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(text)
        (place / "tags" / "m0.csv").write_bytes((self.folder / "m0.csv").read_bytes())
        (place / "plant.yaml").write_text(yaml.safe_dump(values["plant"]))
        plant = load_plant(place / "plant.yaml", ())
        secrets = {"console": values["console"]["kafkaSecret"], TOOLS: "penstock-tools"}
        for role, part in (
            ("connector", "connectors"),
            ("processor", "workers"),
            ("sink", "sinks"),
        ):
            for name, own in values[part].items():
                secrets[f"{role}/{name}"] = own["kafkaSecret"]
        found = {
            secrets[name]: [asdict(right) for right in own]
            for name, own in rights_of_plant(plant).items()
        }
        makes = [asdict(right) for right in rights_of_plant(plant, create=True)[TOOLS]]
        return found | {TOPICS: makes}

    def certificates(self) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Of OPC UA: what the server has, and what the client has."""
        place = self.folder / "opcua"
        for name, uri in (("server", "urn:acme:press:server"), ("client", "urn:acme:penstock")):
            make_certificate(place / f"{name}.der", place / f"{name}.pem", uri, common_name=name)
        read = {one.name: one.read_bytes() for one in place.iterdir()}
        server = {
            f"opcua-{name}": read[name] for name in ("server.der", "server.pem", "client.der")
        }
        return server, {name: read[name] for name in ("client.der", "client.pem", "server.der")}

    def trust(self, authorities: str) -> None:
        """Whom the plant's pods trust, for Kafka and the registry."""
        for name in ("kafka-cluster-ca-cert", "registry-ca"):
            secret("plant", name, {"ca.crt": authorities})

    def serve(self, authority: Authority, valid: timedelta = timedelta(days=1)) -> None:
        """What Kafka and the registry show from their next start on."""
        own = authority.sign("testbed", HOSTS, valid)
        known = (
            self.first.certificate
            if authority is self.first
            else (self.first.certificate + authority.certificate)
        )
        shown = {"tls.crt": own.certificate, "tls.key": own.key, "ca.crt": known}
        change = json.dumps({"data": _coded(shown)})
        kubectl("-n", "kafka", "patch", "secret", "testbed", "--type=merge", "-p", change)

    def restart_servers(self) -> None:
        kubectl("-n", "kafka", "rollout", "restart", "statefulset/kafka", "deploy/registry")
        for name in ("statefulset/kafka", "deploy/registry"):
            kubectl("-n", "kafka", "rollout", "status", name, "--timeout=120s")

    def say(self, words: str) -> None:
        print(words, flush=True)
        with (self.folder / "words.txt").open("a") as file:
            file.write(words + "\n")

    def console(self) -> None:
        """The page over TLS, from a pod of another namespace, with its token and without."""
        ask = (
            "import ssl, sys, urllib.request as u\n"
            "trust = ssl.create_default_context(cafile='/secrets/ca.crt')\n"
            f"q = u.Request('https://{CONSOLE}/', headers=dict([sys.argv[1:]]))\n"
            "try: print(u.urlopen(q, context=trust, timeout=9).status)\n"
            "except u.HTTPError as e: print(e.code, e.read()[:200])\n"
        )
        for header in (("Accept", "*/*"), ("Authorization", f"Bearer {TOKEN}")):
            told = kubectl("-n", "kafka", "exec", "kafka-0", "--", "python", "-c", ask, *header)
            self.say(f"console, {header[0]}: {told.strip()}")

    def refused(self, names: Sequence[str], cause: str, *words: str) -> None:
        """New pods of these say one of the words, do not end for it, and are not ready."""
        for name in names:
            until(partial(_says, name, words), f"{cause}: {name}")
        time.sleep(REFUSED_SECONDS)
        for name in names:
            (pod,) = newest(name)[:1]
            restarts = sum(one["restartCount"] for one in pod["status"]["containerStatuses"])
            last = [line for line in said(name).splitlines() if any(one in line for one in words)]
            self.say(f"{cause}: {name}: ready {ready(pod)}, restarts {restarts}\n{last[-1]}")
            told = kubectl(*NS, "describe", "pod", pod["metadata"]["name"])
            self.say(told[told.index("Events:") :][-900:])

    def password(self) -> None:
        users = ("penstock-lake", "penstock-window-statistics", "penstock-press-plc")
        with self.step(
            "wrong passwords of a connector, a worker and the lake; then the right ones"
        ):
            for user in users:
                self.user(user, "wrong")
            restart(*SOME)
            self.refused(NAMES, "wrong password", "Authentication failed", "invalid credentials")
            for user in users:
                self.user(user)
            restart(*SOME)

    def authority(self) -> None:
        for name, words in (("kafka-cluster-ca-cert", "certificate verify failed"),
                            ("registry-ca", "certificate verify failed")):  # fmt: skip
            with self.step(f"an authority that signed nothing in {name}; then the right one"):
                secret("plant", name, {"ca.crt": self.second.certificate})
                restart(*SOME)
                self.refused(NAMES, f"unknown authority in {name}", words, "CERTIFICATE_VERIFY")
                self.trust(self.first.certificate)
                restart(*SOME)

    def expired(self) -> None:
        with self.step("Kafka and registry restarted with a certificate of 4 min"):
            self.serve(self.first, SHORT)
            ends = time.time() + SHORT.total_seconds()
            self.restart_servers()
        with self.step("that certificate expired while all ran"):
            time.sleep(max(0, ends - time.time()) + 20)

    def renewed(self) -> None:
        with self.step(
            "a connector, a worker and the lake restarted meanwhile; then it was renewed"
        ):
            restart(*SOME)
            self.refused(NAMES, "expired", "the date until which the broker's certificate is valid")
            self.serve(self.first)
            self.restart_servers()

    def rotated(self) -> None:
        with self.step("all pods trust a second authority, too"):
            self.trust(self.first.certificate + self.second.certificate)
            restart(*EVERY)
        with self.step("Kafka and registry restarted with a certificate of the second"):
            self.serve(self.second)
            self.restart_servers()
        with self.step("all pods trust the second only"):
            self.trust(self.second.certificate)
            restart(*EVERY)


def said(name: str) -> str:
    """The log of a component's newest pod, its first container's included."""
    return "".join(
        kubectl(*NS, "logs", pod["metadata"]["name"], "--all-containers", check=False)
        for pod in newest(name)[:1]
    )


def _says(name: str, words: Sequence[str]) -> bool:
    return any(one in said(name) for one in words)


def newest(name: str) -> list[dict[str, Any]]:
    """A component's pods that stay, the newest first."""
    found = [one for one in pods(f"penstock.io/name={name}")
             if "deletionTimestamp" not in one["metadata"]]  # fmt: skip
    return sorted(found, key=lambda one: one["metadata"]["creationTimestamp"], reverse=True)


def restart(*objects: str) -> None:
    kubectl(*NS, "rollout", "restart", *objects)


def secret(namespace: str, name: str, data: Mapping[str, str | bytes]) -> None:
    """Make it, or put other data in its place."""
    made = {"apiVersion": "v1", "kind": "Secret", "data": _coded(data),
            "metadata": {"name": name, "namespace": namespace}}  # fmt: skip
    kubectl("apply", "-f", "-", given=json.dumps(made))


def _coded(data: Mapping[str, str | bytes]) -> dict[str, str]:
    raw = {key: value.encode() if isinstance(value, str) else value for key, value in data.items()}
    return {key: base64.b64encode(value).decode() for key, value in raw.items()}


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    """As Helm merges values."""
    for key, value in above.items():
        if isinstance(value, Mapping):
            _merge(below.setdefault(key, {}), value)
        else:
            below[key] = value


if __name__ == "__main__":
    main(Secured(Path(sys.argv[1]).absolute()), sys.argv[2:])
