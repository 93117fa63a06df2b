"""The page in a real Chromium; where there is none, its tests are skipped and say so."""

import shutil
import ssl
import sys
from pathlib import Path

import pytest

from penstock.certificates import make_certificate

sys.path.insert(0, str(Path(__file__).parent))  # scene.py, a helper beside the tests

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("NO CHROMIUM HERE: the page is not tested in a browser (apt install chromium)")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - needs no browser elsewhere

    with sync_playwright() as playwright:
        # Chromium's own sandbox needs what containers and root do not have.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 and its key, PEM files."""
    der, pem, key = (tmp_path / name for name in ("c.der", "c.pem", "k.pem"))
    make_certificate(der, key, "urn:test", common_name="console")
    pem.write_text(ssl.DER_cert_to_PEM_cert(der.read_bytes()))
    return pem, key
