"""Coverage-guided fuzzing of one target: `python -m tests.fuzz TARGET --seconds 300 [--keep FOLDER]`.

Needs atheris (`pip install atheris`), which is no dependency of this project; tests/fuzz/test_corpora.py replays the
seeds without it. What is found along the way goes to --keep, the seeds in tests/fuzz/corpora stay as they are. A crash
is written to the working folder and ends the run with an error.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
from pathlib import Path

import atheris

from tests.fuzz.json_mutator import mutate_json

CORPORA = Path(__file__).parent / "corpora"
_LONGEST_BYTES = 8192
_HANGS_SECONDS = 20
_AS_BYTES_EVERY = 5


def _mutate_message(data: bytes, max_size: int, seed: int) -> bytes:
    changed = mutate_json(data, random.Random(seed)) if seed % _AS_BYTES_EVERY else None
    return atheris.Mutate(data, max_size) if changed is None or len(changed) > max_size else changed


_MUTATORS = {"janus_message": _mutate_message}


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
        command = [sys.argv[0], *options, str(kept), str(CORPORA / arguments.target)]
        atheris.Setup(command, TARGETS[arguments.target], custom_mutator=_MUTATORS.get(arguments.target))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
