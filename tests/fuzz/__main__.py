"""Coverage-guided fuzzing of one target: `python -m tests.fuzz TARGET --seconds 300 [--keep FOLDER]`.

Needs atheris (`pip install atheris`), which is no dependency of this project; tests/fuzz/test_corpora.py replays the
seeds without it. What is found along the way goes to --keep, the seeds in tests/fuzz/corpora stay as they are. A crash
is written to the working folder and ends the run with an error.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

import atheris

CORPORA = Path(__file__).parent / "corpora"
_LONGEST_BYTES = 8192
_HANGS_SECONDS = 20


def main() -> None:
    with atheris.instrument_imports(include=["guard", "aiortc", "aioice", "h11"]):
        from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="guard-fuzz-") as scratch:
        kept = arguments.keep or Path(scratch)
        kept.mkdir(parents=True, exist_ok=True)
        options = [
            f"-max_total_time={arguments.seconds}",
            f"-max_len={_LONGEST_BYTES}",
            f"-timeout={_HANGS_SECONDS}",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, str(kept), str(CORPORA / arguments.target)], TARGETS[arguments.target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
