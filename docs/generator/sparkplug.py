"""The page of what is kept of the Sparkplug specification, from the tests that show it."""

import ast
from pathlib import Path
from typing import Final

from generator.markdown import table

TESTS: Final = Path(__file__).parents[2] / "tests" / "contract" / "test_sparkplug.py"
INTRODUCTION: Final = """# Sparkplug B

What the connector `mqtt` does as a Sparkplug host application: each rule with the clauses of
Eclipse Sparkplug 3.0.0 that it is about (`tck-id-…`), and the test that shows it on a real broker,
in `tests/contract/test_sparkplug.py`. It is no certificate: the specification's own test kit was
not run.

"""
NOT_KEPT: Final = """
## Not there

- `operational-behavior-host-reordering-*`: there is no reorder timeout. A gap in the sequence asks
  for a rebirth at once, and what came is kept.
- Several MQTT servers: one broker per source; an edge node on two brokers is two sources.
- DataSet, Template, Bytes, File, arrays: `BadNotSupported`, named.
- Commands: none but the rebirth request.
"""


def sparkplug() -> str:
    """Rules, clauses and tests."""
    rows = []
    for node in ast.parse(TESTS.read_text("utf-8")).body:
        if not isinstance(node, ast.AsyncFunctionDef):
            continue
        clauses = [clause for decorator in node.decorator_list for clause in _clauses(decorator)]
        if clauses:
            rule = " ".join((ast.get_docstring(node) or "").split())
            rows.append((rule, "<br>".join(f"`{clause}`" for clause in clauses), f"`{node.name}`"))
    return INTRODUCTION + table(["rule", "clauses", "test"], rows) + NOT_KEPT


def _clauses(decorator: ast.expr) -> list[str]:
    """The arguments of `@clause(…)`."""
    if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "clause":
        return [ast.literal_eval(argument) for argument in decorator.args]
    return []
