"""What the `loadkit` command and `python -m loadkit` run."""

import sys

from loadkit import output
from loadkit.exit_codes import ExitCode
from loadkit.machine import quick_start


def main() -> int:
    """Run the command line; returns the exit code."""
    output.guard()
    quick_start.begin()
    try:
        from loadkit import cli  # behind the guard: what it imports opens files

        return cli.main()
    except KeyboardInterrupt:  # a command that has nothing to end in order
        output.remark("stopped by Ctrl-C")
        return ExitCode.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
