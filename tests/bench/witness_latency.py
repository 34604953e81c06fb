"""Whether second opinions hold the engine's verdicts up: p99 with all of them on, at most a tenth above p99 without.

    python -m tests.bench.witness_latency --streams 2 --seconds 10 --rounds 6

Needs a tracker: GUARD_EXPRESSIONS__LANDMARKER, and GUARD_EXPRESSIONS__PYTHON where MediaPipe lies elsewhere. Exit
status 1 where the bound is broken, 2 where the rounds cannot tell: the 95 % interval of the median ratio of rounds lies
above the bound, or on both of its sides. On a machine that others use as well it is wide.
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
from pathlib import Path

from rich.console import Console

from guard.bench.witnesses.command import WitnessesBench, measure
from guard.bench.witnesses.findings import Verdict
from guard.bench.witnesses.report import print_report
from guard.config import load_config

_EXIT_STATUS = {Verdict.WITHIN: 0, Verdict.BROKEN: 1, Verdict.UNDECIDED: 2}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--video", type=Path)
    arguments = parser.parse_args()
    bench = WitnessesBench(arguments.streams, arguments.seconds, arguments.rounds, arguments.video)
    command = shlex.join(["python", "-m", "tests.bench.witness_latency", *sys.argv[1:]])
    report = asyncio.run(measure(load_config(), bench, command))
    print_report(report, Console(width=150))
    return _EXIT_STATUS[report.ratio.verdict]


if __name__ == "__main__":
    sys.exit(main())
