"""Entry point of `deploy` and `python -m deploy`; Ctrl-C during its imports prints one word, no traceback."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return its exit code, 130 if Ctrl-C interrupts the import."""
    try:
        from deploy.cli import main as run

        return run()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
