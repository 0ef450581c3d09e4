"""`python -m emotion`: one file per subcommand, each with `SUMMARY`, `add_arguments` and `run`.

Here is only what they share: which there are, how a command ends, and how its errors are told.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from emotion import __version__
from emotion.cli import compare, deploy, predict, web
from emotion.cli.output import DONE, FAILED, INTERRUPTED
from emotion.errors import EmotionError
from emotion.program import COMMAND


class Command(Protocol):
    """What the file of a subcommand holds."""

    @property
    def SUMMARY(self) -> str:
        """One line for the help."""
        ...

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Describe the command line."""

    def run(self, options: argparse.Namespace) -> int:
        """Do the work; return the exit status."""
        ...


# By the word that calls it; without one, `predict` is meant.
COMMANDS: dict[str, Command] = {"predict": predict, "compare": compare, "deploy": deploy, "web": web}


def main(arguments: Sequence[str] | None = None) -> int:
    """Call the subcommand that the first argument names, or `predict`; return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = words.pop(0) if words and words[0] in COMMANDS else ""
    command = COMMANDS[name or "predict"]
    options = build_parser(name, command).parse_args(words)
    try:
        return command.run(options)
    except (EmotionError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # the reader, such as `head`, has seen enough
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
        lines = [f"  {word:<9} {other.SUMMARY}" for word, other in COMMANDS.items()]
        parser.epilog = "\n".join(
            [
                *filter(None, [parser.epilog]),
                "",
                "Commands, each with a --help of its own:",
                *lines,
                "A picture that has the name of a command is written ./NAME.",
            ]
        )
    return parser
