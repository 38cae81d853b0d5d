"""Entry point of ``python -m benchmarks``."""

import sys

if __name__ == "__main__":
    try:
        from benchmarks.cli import main

        main()
    except KeyboardInterrupt:  # while modules are imported
        sys.exit(130)
