"""The command line: python -m engine COMMAND."""

from __future__ import annotations

import errno
import os
import sys
from types import TracebackType

from engine import libraries
from engine.domain.texts import shorten

try:
    from engine.cli._arguments import EXIT_USAGE, UsageError, build_parser, find_subcommand, list_subcommands, require_plain_text
    from engine.cli._crash_log import save_traceback
    from engine.service.scheduler import describe_error
    from engine.store.errors import StoreError
except (ImportError, OSError) as error:
    libraries.exit_with_remedy(error)

EXIT_CRASH = 70  # exit code of an unexpected error


def main(argv: list[str]) -> int:
    """Run one subcommand and give its exit code; what cannot be done is one line on stderr."""
    try:
        require_plain_text(argv)
        commands = list_subcommands()
        if argv and not argv[0].startswith("-"):
            argv = argv[:1] if find_subcommand(commands, argv[0]).is_reserved else argv
        options = build_parser(commands).parse_args(argv)
        if options.command is None:
            raise UsageError(f"give a command: {', '.join(command.name for command in commands)}")
        return find_subcommand(commands, options.command).run(options)
    except BrokenPipeError:  # the reader of our output has closed it, as in `export decisions | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, StoreError, OSError) as error:
        print(f"podium: {_line_of(error)}", file=sys.stderr)
        return EXIT_USAGE
    except ImportError as error:
        libraries.exit_with_remedy(error)
    except KeyboardInterrupt:
        print("podium: stopped", file=sys.stderr)
        return 130


def _line_of(error: Exception) -> str:
    if isinstance(error, OSError):
        if error.errno == errno.ENAMETOOLONG:
            return f"{shorten(str(error.filename))} is too long for the name of a file: give a shorter one"
        return libraries.explain_import_error(error) or describe_error(error)
    return describe_error(error)


def report_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Report an unexpected error: the traceback goes to the log, the person gets one line."""
    saved = save_traceback(kind, error, trace)
    print(f"podium: {describe_error(error)}; {saved}", file=sys.stderr, flush=True)
    os._exit(EXIT_CRASH)


if __name__ == "__main__":
    sys.excepthook = report_crash
    sys.exit(main(sys.argv[1:]))
