"""`python -m engines build NAME`: compile an engine's TensorRT plans for the GPU at hand."""

from __future__ import annotations

import argparse
import sys

from engines.errors import EngineError
from engines.registry import DEFAULT_MODEL


def main() -> int:
    """Exit status: 0 where all went well, 1 with one line on stderr where not."""
    parser = argparse.ArgumentParser(prog="python -m engines", description="Work on engine folders.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="compile an engine for the GPU at hand (TensorRT)")
    build.add_argument("name", nargs="?", default=DEFAULT_MODEL, help="a shipped engine's name or a folder's path")
    build.add_argument("--precision", choices=("fp16", "fp32"), default="fp16", help="default: %(default)s")
    arguments = parser.parse_args()
    # Imported here so that asking for help stays quick.
    from engines.tensorrt.build_command import build_engine

    try:
        build_engine(arguments.name, arguments.precision)
    except EngineError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
