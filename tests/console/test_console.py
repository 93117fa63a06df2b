"""The console over HTTP: who gets in, what it says, and many browsers at once."""

import asyncio
import json
import socket
import ssl
import time

import httpx
import pytest
from scene import alert, fill, page, view_of

from penstock.console.access import Access, access
from penstock.errors import ConfigurationError

TOKEN = "a-token-of-24-characters"


@pytest.fixture
def view(tmp_path):
    found = view_of(tmp_path)
    fill(found)
    found.alert(alert())
    return found


def events(url, count=1, **more):
    """The first messages of a stream."""
    found = []
    with httpx.stream("GET", f"{url}/events", timeout=60, **more) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: ")))
                if len(found) == count:
                    return found
    return found


def test_a_stream_gives_lines_machines_and_on_request_values(view):
    path = "acme/bremen/stamping/line1/press01"
    with page(view) as served:
        first, second = events(served.url, 2, params={"machine": path})
        lines = [line["name"] for line in first["lines"]]
        assert lines == ["stamping/line1", "filling/line2", "packing/line3"]
        assert second["now"] > first["now"]
        tags = {row["tag"]: row for row in first["machine"]["values"]}
        assert tags["GoodCount"]["value"] == 227 and tags["OrderID"]["value"] == "O-100002"
        assert events(served.url, params={"machine": "no/such"})[0]["machine"] is None
        assert httpx.get(f"{served.url}/state", params={"machine": "no/such"}).status_code == 404
        assert httpx.get(f"{served.url}/alerts/a1b2c3d4e5f6.svg").text.startswith("<svg")
        assert httpx.get(f"{served.url}/alerts/none.svg").status_code == 404


def test_nothing_can_be_written_and_every_answer_is_guarded(view):
    with page(view) as served:
        for path in ("/", "/console.js", "/console.css", "/state", "/none", "/../plant.yaml"):
            answer = httpx.get(served.url + path)
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert httpx.request(method, f"{served.url}/state").status_code == 405
        # A page of another name that resolves to this machine must not read it (DNS rebinding).
        other = httpx.get(f"{served.url}/state", headers={"host": "evil.example"})
        assert other.status_code == 400


@pytest.mark.parametrize("token", [TOKEN, "a+token/of=24-characters"])
def test_the_token_lets_in_once_as_an_address_then_as_a_cookie(view, token):
    guarded = Access("127.0.0.1", token, None, None)
    with page(view, access=guarded) as served, httpx.Client(base_url=served.url) as client:
        for path in ("/", "/state", "/events", "/metrics", "/console.js"):
            assert client.get(path).status_code == 401, path
        assert client.get("/healthz").json() == {"ready": True}  # for probes; no more than that
        assert client.get("/enter", params={"token": "wrong"}).status_code == 401
        assert client.get("/enter", params={"token": "wröng"}).status_code == 401
        entered = client.get(guarded.url(served.port, with_token=True))
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie
        assert client.get("/").status_code == 200
        bearer = {"authorization": f"Bearer {token}"}
        assert httpx.get(f"{served.url}/metrics", headers=bearer).status_code == 200
        # As `kubectl get secret` prints one that was made of a file.
        assert httpx.get(f"{served.url}/enter", params={"token": f"{token}\n"}).status_code == 303


def test_beyond_loopback_it_takes_tls_and_a_token(tmp_path):
    certificate, key, token = (tmp_path / name for name in ("c.pem", "k.pem", "token"))
    with pytest.raises(ConfigurationError, match="served over TLS only"):
        access("0.0.0.0", None, None, None)
    certificate.touch()
    with pytest.raises(ConfigurationError, match="belong together"):
        access("0.0.0.0", None, certificate, None)
    with pytest.raises(ConfigurationError, match="no such file"):
        access("0.0.0.0", None, certificate, key)
    key.touch()
    made = [access("0.0.0.0", None, certificate, key).token for _ in range(2)]
    assert len(set(made)) == 2 and min(len(str(one)) for one in made) >= 24
    for bad in ("short", "with a blank in the middle", "größer-als-sechzehn-zeichen"):
        token.write_text(bad)
        with pytest.raises(ConfigurationError, match="at least 16 printable"):
            access("127.0.0.1", token, None, None)
    token.write_text(TOKEN + "\n")
    assert access("127.0.0.1", token, None, None).token == TOKEN
    assert access("::", token, certificate, key).url(8650) == "https://[::]:8650/"


def test_it_speaks_tls_with_the_certificate_that_it_is_given(view, certificate):
    guarded = Access("127.0.0.1", TOKEN, *certificate)
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    bearer = {"authorization": f"Bearer {TOKEN}"}
    with page(view, access=guarded) as served:
        assert served.url.startswith("https://")
        (state,) = events(served.url, verify=trusted, headers=bearer)
        assert state["site"] == "acme/bremen"
        entered = httpx.get(guarded.url(served.port, with_token=True), verify=trusted)
        assert "Secure" in entered.headers["set-cookie"]


def test_two_hundred_browsers_at_once_one_of_which_never_reads(view):
    async def look(url, ticker):
        together = asyncio.Barrier(200)
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=120, limits=limits) as client:
            async with asyncio.TaskGroup() as group:
                for _ in range(200):
                    group.create_task(one(client, url, ticker, together))

    async def one(client, url, ticker, together):
        async with client.stream("GET", f"{url}/events") as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    assert json.loads(line.removeprefix("data: "))["site"] == "acme/bremen"
                    await together.wait()
                    assert ticker.browsers >= 201
                    await together.wait()
                    return

    with page(view, tick_seconds=1.0) as served:
        ticker = served.app.state.ticker
        silent = socket.create_connection(("127.0.0.1", served.port))
        silent.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        asyncio.run(look(served.url, ticker))
        silent.close()
        deadline = time.monotonic() + 60
        while ticker.browsers and time.monotonic() < deadline:
            time.sleep(0.05)
        assert ticker.browsers == 0  # whoever left is forgotten
        assert events(served.url)[0]["site"] == "acme/bremen"
