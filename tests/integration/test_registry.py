"""The registry client against a real registry, and against none."""

import http.server
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from pydantic import SecretStr

from penstock.errors import (
    ConfigurationError,
    IncompatibleSchemaError,
    RegistryUnavailableError,
    UnknownSchemaError,
)
from penstock.kafka import registry as module
from penstock.kafka.registry import COMPATIBILITY, Registry, subject
from penstock.settings.plant import RegistrySettings
from schemas import schema_text


def test_a_registered_schema_is_found_by_its_id(registry: RegistrySettings, unique: str) -> None:
    ids = Registry(registry)
    schema_id = ids.register(unique, "SensorEvent")
    assert ids.register(unique, "SensorEvent") == schema_id
    stranger = Registry(registry)
    assert stranger.schema(schema_id) == schema_text("SensorEvent")
    assert stranger.register(unique, "SensorEvent") == schema_id


def test_the_subject_is_the_topics_and_wants_full_compatibility(
    registry: RegistrySettings, unique: str
) -> None:
    Registry(registry).register(unique, "TagDescriptor")
    with SchemaRegistryClient({"url": registry.url}) as client:
        assert client.get_versions(subject(unique)) == [1]
        assert client.get_compatibility(subject(unique)) == COMPATIBILITY


def test_processes_that_start_at_once_all_register(registry: RegistrySettings, unique: str) -> None:
    def register(_: int) -> int:
        return Registry(registry).register(unique, "SensorEvent")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(register, range(8)))) == 1


def test_a_schema_that_breaks_readers_is_refused(
    registry: RegistrySettings, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Registry(registry).register(unique, "SensorEvent")
    broken = schema_text("SensorEvent").replace(
        '"name":"asset","type":"string"', '"name":"asset","type":"long"'
    )
    monkeypatch.setattr(module, "schema_text", lambda record: broken)
    with pytest.raises(IncompatibleSchemaError, match=f"{unique}-value") as caught:
        Registry(registry).register(unique, "SensorEvent")
    assert caught.value.where == registry.url
    assert "new major version" in str(caught.value.remedy)


def test_an_id_that_nobody_registered_is_unknown(registry: RegistrySettings) -> None:
    with pytest.raises(UnknownSchemaError, match="id 2000000000"):
        Registry(registry).schema(2_000_000_000)


def test_an_address_without_a_registry_is_no_unknown_schema(registry: RegistrySettings) -> None:
    elsewhere = RegistrySettings(url=registry.url.replace("/ccompat", "/nothing"))
    with pytest.raises(RegistryUnavailableError, match="answers 404"):
        Registry(elsewhere).schema(1)


@contextmanager
def answering(status: int, body: object) -> Iterator[tuple[str, list[str | None]]]:
    """A server that always answers the same; gives its URL and the authorizations it was sent."""
    seen: list[str | None] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", seen
        finally:
            server.shutdown()
            thread.join()


def ask(settings: RegistrySettings, timeout: float = 2.0) -> str:
    registry = Registry(settings, timeout)
    try:
        return registry.schema(1)
    finally:
        registry.close()


def test_user_and_password_are_sent_once_and_the_answer_is_kept() -> None:
    with answering(200, {"schema": '"string"'}) as (url, seen):
        settings = RegistrySettings(url=url, user="ann", password=SecretStr("secret"))
        registry = Registry(settings)
        assert registry.schema(1) == registry.schema(1) == '"string"'
        registry.close()
        assert seen == ["Basic YW5uOnNlY3JldA=="]


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_say_what_to_correct(status: int) -> None:
    with (
        answering(status, {"error_code": status, "message": "no"}) as (url, _),
        pytest.raises(ConfigurationError, match="refuses access to id 1: no") as caught,
    ):
        ask(RegistrySettings(url=url, user="ann", password=SecretStr("secret")))
    assert "registry.password" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_registry_in_trouble_is_away_not_ignorant(status: int) -> None:
    with (
        answering(status, {"error_code": 50001, "message": "store"}) as (url, seen),
        pytest.raises(RegistryUnavailableError, match=f"answers {status}: store"),
    ):
        ask(RegistrySettings(url=url))
    assert len(seen) == 2


def test_nobody_there_is_said_within_the_timeout() -> None:
    with pytest.raises(RegistryUnavailableError, match="does not answer"):
        ask(RegistrySettings(url="http://ann:secret@127.0.0.1:1/x"))


def test_passwords_in_the_url_are_not_shown() -> None:
    with pytest.raises(RegistryUnavailableError) as caught:
        ask(RegistrySettings(url="http://ann:secret@127.0.0.1:1/x"))
    assert caught.value.where == "http://127.0.0.1:1/x"


@pytest.mark.parametrize(
    "settings",
    [
        RegistrySettings(ca=Path("no/such/file.pem")),
        RegistrySettings(url="http://ann:secret@127.0.0.1:1", user="bob"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_once(settings: RegistrySettings) -> None:
    with pytest.raises(ConfigurationError, match="the registry's settings cannot be used") as e:
        Registry(settings)
    assert "secret" not in str(e.value)
