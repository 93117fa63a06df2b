"""Components on a Kafka with access lists: each with the rights that `topics acls` names for it."""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from typer.testing import CliRunner

from penstock.cli import app
from penstock.settings.plant import RegistrySettings

sys.path.insert(0, str(Path(__file__).parent))
from plant_rig import ModbusHarness, Plant, until
from secured_rig import PASSWORD, Secured, secured_broker

PROCESSOR = "window-statistics"
PARTS = {
    "plc": ("connector", "plc"),
    "windows": ("processor", PROCESSOR),
    "lake": ("sink", "lake"),
    "flat": ("sink", "flat"),
}
"""The users, and the component that each is for."""
GUARDED = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
}
RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactionalId": ResourceType.TRANSACTIONAL_ID,
}
OPERATIONS = {
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
}
PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_broker(tmp_path_factory.mktemp("guarded"), GUARDED) as broker:
        broker.users(*PARTS, "tools")
        yield broker


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[ModbusHarness]:
    device = ModbusHarness(tmp_path)
    await device.start()
    yield device
    await device.close()


class Site:
    """A plant whose components have users of their own."""

    def __init__(
        self, folder: Path, device: ModbusHarness, broker: Secured, registry: str, name: str
    ) -> None:
        self.broker, self.name = broker, name
        (folder / "password").write_text(PASSWORD)
        sinks = {
            "lake": {"type": "parquet", "path": "lake", "roll": "200 ms"},
            "flat": {"type": "flatten"},
        }
        kafka = broker.kafka | {"user": "${env:KAFKA_USER}"}
        self.plant = Plant(
            folder, device, name, kafka=kafka, sinks=sinks, registry={"url": registry}
        )
        open_door = {"bootstrap": broker.address, "partitions": kafka["partitions"]}
        self.admin_file = folder / "admin.yaml"
        self.admin_file.write_text(json.dumps(self.plant.settings | {"kafka": open_door}))

    def ask(self, *words: str, config: Path | None = None) -> str:
        """What a command says, given by whoever KAFKA_USER is."""
        done = CliRunner().invoke(app, [*words, "--config", str(config or self.plant.file)])
        assert done.exit_code == 0, done.output + str(done.exception)
        return done.output

    def rights(self, component: str, user: str) -> list[AclBinding]:
        """What `topics acls` names for a component, as entries of an access list."""
        words = ("topics", "acls", "--component", component, "--json")
        return [
            AclBinding(
                RESOURCES[row["resource"]], row["name"], PATTERNS[row["pattern"]], f"User:{user}",
                "*", OPERATIONS[operation], AclPermissionType.ALLOW,
            )
            for row in map(json.loads, self.ask(*words, config=self.admin_file).splitlines())
            for operation in row["operations"]
        ]  # fmt: skip

    def allow(self, bindings: list[AclBinding]) -> None:
        for done in self.broker.admin.create_acls(bindings).values():
            done.result()

    def forbid(self, bindings: list[AclBinding]) -> None:
        filters = [
            AclBindingFilter(
                one.restype, one.name, one.resource_pattern_type, one.principal, one.host,
                one.operation, one.permission_type,
            )
            for one in bindings
        ]  # fmt: skip
        for done in self.broker.admin.delete_acls(filters).values():
            assert done.result()


@pytest.fixture
def site(
    tmp_path: Path, device: ModbusHarness, guarded: Secured, registry: RegistrySettings, unique: str
) -> Site:
    site = Site(tmp_path, device, guarded, registry.url, unique)
    site.ask("topics", "create", config=site.admin_file)
    return site


@contextmanager
def running(site: Site, user: str, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """The user's component at work; gives its name."""
    role, name = PARTS[user]
    patch.setenv("KAFKA_USER", user)
    with site.plant.penstock("work", role, name, "--config", str(site.plant.file)):
        yield f"{role}-{name}"


async def test_each_component_works_with_the_rights_that_are_named_for_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = site.plant
    for user, (role, name) in PARTS.items():
        site.allow(site.rights(f"{role}/{name}", user))
    site.allow(site.rights("tools", "tools"))
    with ExitStack() as stack:
        names = [stack.enter_context(running(site, user, monkeypatch)) for user in PARTS]
        await until(lambda: 20.5 in plant.temperatures(), plant.logs)
        await until(lambda: plant.windows() > 0, plant.logs)
        await until(lambda: all(plant.status(name).get("ready") for name in names), plant.logs)
        monkeypatch.setenv("KAFKA_USER", "tools")
        for words in (["selftest"], ["streams", "status"], ["streams", "park", PROCESSOR],
                      ["streams", "reset", PROCESSOR, "--to-beginning", "--yes"],
                      ["streams", "resume", PROCESSOR], ["dlq", "list"],
                      ["dlq", "drop", "--component", "lake", "--yes"],
                      ["dlq", "retry", "--component", "lake"], ["topics", "list"]):  # fmt: skip
            site.ask(*words)
    assert "authoriz" not in plant.logs().casefold()


LACKING = {
    "the topic that is written": ("plc", "ot.sensors.v1", "WRITE", "user may not see it"),
    "the state's settings": (
        "windows", "ot.window-statistics.state.v1", "DESCRIBE_CONFIGS",
        "ot.window-statistics.state.v1: Kafka cannot be asked: ",
    ),
    "transactions": (
        "windows", "{name}-window-statistics-", "WRITE", "Transactional Id authorization failed",
    ),
    "the sink's group": ("lake", "{name}-lake", "READ", "Group authorization failed"),
    "the sink's transactions": (
        "flat", "{name}-flat-", "WRITE", "Transactional Id authorization failed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("lacking", LACKING)
async def test_a_right_that_is_missing_is_told_with_what_to_do(
    lacking: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, name, operation, words = LACKING[lacking]
    role, component = PARTS[user]
    rights = site.rights(f"{role}/{component}", user)
    (one,) = (
        right for right in rights
        if (right.name, right.operation.name) == (name.format(name=site.name), operation)
    )  # fmt: skip
    site.allow(rights)
    site.forbid([one])
    with running(site, user, monkeypatch):
        for told in (words, "'penstock topics acls' lists"):
            await until(lambda told=told: told in site.plant.logs(), site.plant.logs)
