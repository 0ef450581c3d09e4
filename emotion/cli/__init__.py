"""`python -m emotion`: one file per subcommand, each with `SUMMARY`, `add_arguments` and `run`.

This file picks the command and turns its errors into messages and exit statuses.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from emotion import __version__
from emotion.cli import compare, deploy, predict, watch, web
from emotion.cli.output import DONE, FAILED, INTERRUPTED
from emotion.errors import EmotionError
from emotion.program import COMMAND


class Command(Protocol):
    """The interface of a subcommand's file."""

    SUMMARY: str  # one line for the help

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Describe the command line."""

    def run(self, options: argparse.Namespace) -> int:
        """Do the work; return the exit status."""
        ...


# By the word that calls it; without one, `predict` is meant.
COMMANDS: dict[str, Command] = {
    "predict": predict,
    "watch": watch,
    "compare": compare,
    "deploy": deploy,
    "web": web,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Call the subcommand that the first argument names, or `predict`; return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = words.pop(0) if words and words[0] in COMMANDS else ""
    command = COMMANDS[name or "predict"]
    options = build_parser(name, command).parse_args(words)
    try:
        return command.run(options)
    except (EmotionError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # the reader, such as `head`, has closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED


def build_parser(name: str, command: Command) -> argparse.ArgumentParser:
    """Return the parser of a subcommand; without a name, its help lists all of them."""
    parser = argparse.ArgumentParser(
        prog=f"{COMMAND} {name}".rstrip(),
        description=command.SUMMARY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    command.add_arguments(parser)
    if not name:
        lines = [f"  {word:<9} {other.SUMMARY}\n" for word, other in COMMANDS.items()]
        parser.epilog = (
            f"{parser.epilog or ''}\n\nCommands, each with a --help of its own:\n{''.join(lines)}"
            "Write ./NAME for a picture whose name is a command."
        )
    return parser
