"""The command line: python -m engine COMMAND."""

from __future__ import annotations

import errno
import os
import sys
from types import TracebackType

from engine import libraries
from engine.domain.texts import shorten

try:
    from engine.cli._bugs import keep
    from engine.cli._frame import WRONG, WrongUse, choose, demand_plain_text, parser_of
    from engine.discover import discover
    from engine.shell.jobs import in_one_line
    from engine.store.errors import StoreFailed
except (ImportError, OSError) as error:
    libraries.end(error)

BUG = 70  # exit code of an unexpected error


def main(words: list[str]) -> int:
    """Run one subcommand and give its exit code; what cannot be done is one line on stderr."""
    try:
        demand_plain_text(words)
        commands = discover("engine.cli", "COMMAND")
        if words and not words[0].startswith("-"):
            words = words[:1] if choose(commands, words[0]).is_later else words
        options = parser_of(commands).parse_args(words)
        if options.command is None:
            raise WrongUse(f"give a command: {', '.join(command.name for command in commands)}")
        return choose(commands, options.command).run(options)
    except BrokenPipeError:  # the reader of our output has closed it, as in `export decisions | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, StoreFailed, OSError) as error:
        print(f"podium: {_line_of(error)}", file=sys.stderr)
        return WRONG
    except ImportError as error:
        libraries.end(error)
    except KeyboardInterrupt:
        print("podium: stopped", file=sys.stderr)
        return 130


def _line_of(error: Exception) -> str:
    if isinstance(error, OSError):
        if error.errno == errno.ENAMETOOLONG:
            return f"{shorten(str(error.filename))} is too long for the name of a file: give a shorter one"
        return libraries.explain(error) or in_one_line(error)
    return in_one_line(error)


def tell_a_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Report an unexpected error: the traceback goes to the log, the person gets one line."""
    saved = keep(kind, error, trace)
    print(f"podium: {in_one_line(error)}; {saved}", file=sys.stderr, flush=True)
    os._exit(BUG)


if __name__ == "__main__":
    sys.excepthook = tell_a_bug
    sys.exit(main(sys.argv[1:]))
