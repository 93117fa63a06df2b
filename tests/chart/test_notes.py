"""What Helm says after an install."""

import shutil
import subprocess

import pytest
import yaml

from .conftest import CHART, ROOT, helm  # a conftest has no other name

TOKEN = "a+token/of=24-characters"
SHOWN = 'notes: {{ include "penstock/templates/NOTES.txt" . | toJson }}\n'
"""`helm template` prints no notes: a manifest that holds them."""


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Those of a release with the console."""
    chart = shutil.copytree(CHART, tmp_path_factory.mktemp("notes") / "penstock")
    (chart / "templates" / "shown.yaml").write_text(SHOWN)
    words = ("console.tls.existingSecret=tls", "console.token.existingSecret=console-token",
             "console.token.key=the.token", "console.enabled=true")  # fmt: skip
    done = helm(
        "template", "rel", chart, "-f", ROOT / "examples" / "values-small.yaml", "-n", "plant",
        "-s", "templates/shown.yaml", *(f"--set={word}" for word in words),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text: str = yaml.safe_load(done.stdout)["notes"]
    return text


def test_they_say_what_runs_and_how_to_open_the_console(notes: str) -> None:
    assert "sinks       lake\n" in notes
    assert "kubectl -n plant port-forward svc/rel-penstock-console 8650:443\n" in notes
    assert (
        "kubectl -n plant get secret console-token -o go-template="
        """'{{index .data "the.token" | base64decode | urlquery}}{{"\\n"}}'\n"""
    ) in notes
    assert "open https://localhost:8650/enter?token=TOKEN" in notes


def test_the_command_for_the_token_prints_it_as_an_address_takes_it(notes: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not in PATH")
    (line,) = (line for line in notes.splitlines() if "get secret" in line)
    # The Secret as it would be, where there is no cluster to ask.
    made = f"create secret generic console-token --from-literal=the.token={TOKEN} --dry-run=client"
    command = line.replace("get secret console-token", made)
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout == "a%2Btoken%2Fof%3D24-characters\n"
