"""`python -m watchpost_guards` serves the guards; see `server`."""

import sys

from watchpost.errors import ConfigError, MissingExtra


def run() -> int:
    """Serve; the exit status, with what to do about it on stderr."""
    try:
        from watchpost_guards.server import main

        main()
    except ImportError as error:
        sys.stderr.write(f"{MissingExtra('guards')} ({error.name})\n")
        return 2
    except (ConfigError, MissingExtra) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(run())
