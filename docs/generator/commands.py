"""The page of the command line."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

from generator.markdown import code, table
from penstock.cli import everything


def cli() -> str:
    """Commands with their arguments and options, exit codes."""
    root = everything()
    text = f"# Command line\n\n{root.help}\n\n"
    text += (root.epilog or "").replace("Exit codes: ", "**Exit codes**: ") + "\n\n"
    for name, command in _commands("penstock", root):
        text += f"## `{name}`\n\n{(command.help or '').strip()}\n\n"
        text += f"```\n{_usage(name, command)}\n```\n\n"
        rows = [row for parameter in command.params for row in _parameter(parameter)]
        if rows:
            text += table(["", "default", "meaning"], rows) + "\n"
    return text


def _commands(name: str, command: Any) -> Iterable[tuple[str, Any]]:
    for word, below in getattr(command, "commands", {}).items():
        if hasattr(below, "commands"):
            yield from _commands(f"{name} {word}", below)
        else:
            yield f"{name} {word}", below


def _is_option(parameter: Any) -> bool:
    return str(parameter.opts[0]).startswith("-")


def _usage(name: str, command: Any) -> str:
    arguments = [p for p in command.params if not _is_option(p)]
    words = [p.name.upper() if p.required else f"[{p.name.upper()}]" for p in arguments]
    options = ["[OPTIONS]"] if len(arguments) < len(command.params) else []
    return " ".join([name, *options, *words])


def _parameter(parameter: Any) -> Iterable[Sequence[str]]:
    if parameter.name in ("help", "install_completion", "show_completion"):
        return
    option = _is_option(parameter)
    name = ", ".join(parameter.opts) if option else parameter.name.upper()
    if option and not getattr(parameter, "is_flag", False):
        name += f" {parameter.metavar or parameter.name.upper()}"
    default = parameter.default
    if isinstance(parameter.show_default, str):
        shown = parameter.show_default
    else:
        shown = "" if default is None or isinstance(default, bool) else code(default)
    shown = "required" if parameter.required else shown
    meaning = parameter.help or ""
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        meaning += f" One of: {', '.join(str(member.value) for member in kind)}."
    if getattr(parameter, "multiple", False):
        meaning += " May be given more than once."
    if getattr(parameter, "envvar", None):
        meaning += f" Environment: `{parameter.envvar}`."
    yield code(name), shown, meaning
