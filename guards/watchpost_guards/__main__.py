"""`python -m watchpost_guards` is `watchpost guards serve`, where the server's extra is not."""

import argparse
import sys

from watchpost.errors import ConfigError, MissingExtra
from watchpost_guards.command import serve


def run() -> int:
    """Serve; the exit status, with what to do about it on stderr."""
    parser = argparse.ArgumentParser(prog="python -m watchpost_guards", description=__doc__)
    serve.add_arguments(parser)
    try:
        return serve.run(parser.parse_args())
    except ImportError as error:
        sys.stderr.write(f"{MissingExtra('guards')} ({error.name})\n")
        return 2
    except (ConfigError, MissingExtra) as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(run())
