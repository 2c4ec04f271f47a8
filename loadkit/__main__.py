"""What the `loadkit` command and `python -m loadkit` run."""

import sys

from loadkit import output

__all__ = ["main"]

INTERRUPTED = 130  # exit code


def main() -> int:
    """Run the command line; returns the exit code."""
    output.guard()
    try:
        from loadkit import cli  # behind the guard: what it imports opens files

        return cli.main()
    except KeyboardInterrupt:  # a command that has nothing to end in order
        output.remark("stopped by Ctrl-C")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
