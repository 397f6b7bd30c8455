"""`python -m watchpost_dashboards` writes the dashboards' JSON anew."""

import sys

from watchpost_dashboards.provisioned import write_all

if __name__ == "__main__":
    for path in write_all():
        sys.stdout.write(f"wrote {path}\n")
