"""`python -m watchpost_dashboards` writes the dashboards' JSON anew."""

import sys

from watchpost_dashboards.overview import write_overview

if __name__ == "__main__":
    sys.stdout.write(f"wrote {write_overview()}\n")
