"""Attack a running guard and write down what happens: `python -m tests.hostile --count 500 --markdown hostile.md`.

The campaigns run against one guard in a process of its own, while a participant in another one publishes; the one
against workers has a guard and participants for itself. With `--isolation none` the guard receives the video itself:
then what its receivers counted is reported too, and there are no workers to attack.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from guard.bench.machine import describe_machine
from guard.config import CallsConfig
from tests.hostile.campaign import Campaign, CampaignReport, Target, attacked_guard, run_campaign
from tests.hostile.media import damaged_pictures, junk_with_keys, resolution_bombs, stray_datagrams
from tests.hostile.signalling import foreign_tokens, tampered_offers, wrong_fingerprints
from tests.hostile.web import bad_requests, bad_viewers, slow_clients
from tests.hostile.workers import BYSTANDERS, CLIP_SECONDS, SETTINGS, workers_under_load

CAMPAIGNS: dict[str, tuple[Campaign, int]] = {
    "tampered SDP offers": (tampered_offers, 1),
    "stray datagrams": (stray_datagrams, 10),
    "junk with valid keys": (junk_with_keys, 10),
    "damaged pictures": (damaged_pictures, 2),
    "resolution bombs": (resolution_bombs, -25),
    "wrong fingerprints": (wrong_fingerprints, -25),
    "foreign tokens": (foreign_tokens, 1),
    "bad requests": (bad_requests, 1),
    "slow clients": (slow_clients, -2),
    "bad viewers": (bad_viewers, -2),
}
"""Campaigns, and how many tries of each make up one of `--count`; negative: so many of `--count` make up one try."""
WORKERS = "workers under load"
_WORKERS_SHARE = -15


def tries(count: int, share: int) -> int:
    """How many tries of a campaign with this share."""
    return count * share if share > 0 else max(2, count // -share)


async def attack(
    count: int, seed: int, names: list[str], isolation: str
) -> tuple[list[CampaignReport], list[float | None]]:
    """Run the campaigns one after the other; the reports, and how long the guards took to stop in the end."""
    reports: list[CampaignReport] = []
    stops: list[float | None] = []

    async def run(target: Target, name: str, campaign: Campaign, share: int) -> None:
        reports.append(await run_campaign(name, campaign, target, tries(count, share), seed))
        print(reports[-1], file=sys.stderr, flush=True)  # noqa: T201

    with tempfile.TemporaryDirectory(prefix="guard-hostile-") as folder:
        if at_one_guard := [name for name in names if name != WORKERS]:
            async with attacked_guard(Path(folder, "templates.sqlite3"), isolation) as target:
                for name in at_one_guard:
                    await run(target, name, *CAMPAIGNS[name])
            stops.append(target.guard.stop_seconds)
        if WORKERS in names and isolation == "process":
            store = Path(folder, "enrolled.sqlite3")
            async with attacked_guard(store, isolation, BYSTANDERS, SETTINGS, CLIP_SECONDS) as target:
                await run(target, WORKERS, workers_under_load, _WORKERS_SHARE)
            stops.append(target.guard.stop_seconds)
    return reports, stops


def markdown(reports: list[CampaignReport], heading: str) -> str:
    """A table of the campaigns, and the outcomes of each."""
    lines = [
        f"{heading}\n",
        "| campaign | tried | s | others' frames | longest gap s | status asked/failed/longest s | "
        "growth: RSS MB (of the guard), files, threads, tasks |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {report.name} | {report.tried} | {report.seconds:.0f} | {report.bystander_frames} | "
        f"{report.bystander_gap_seconds:.2f} | {report.status_asked}/{report.status_failed}/"
        f"{report.status_longest_seconds:.2f} | {report.rss_growth_mb:+.1f} ({report.guard_rss_growth_mb:+.1f}), "
        f"{report.descriptors_growth:+d}, "
        f"{report.threads_growth:+d}, {report.tasks_growth:+d} |"
        for report in reports
    ]
    for report in reports:
        outcomes = "; ".join(f"{outcome} {number}" for outcome, number in report.outcomes.items())
        lines.append(f"\n**{report.name}**: {outcomes}.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    names = [*CAMPAIGNS, WORKERS]
    parser.add_argument("--only", choices=sorted(names), action="append")
    default = str(CallsConfig.model_fields["isolation"].default)
    parser.add_argument("--isolation", choices=("process", "none"), default=default)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    wanted = arguments.only or names
    reports, stops = asyncio.run(attack(arguments.count, arguments.seed, wanted, arguments.isolation))
    command = f"python -m tests.hostile --count {arguments.count} --seed {arguments.seed}"
    command += f" --isolation {arguments.isolation}"
    stopped = "; ".join("a guard did not stop by itself" if stop is None else f"{stop:.1f} s" for stop in stops)
    heading = f"`{command}` on {describe_machine()}; the guards stopped within {stopped}."
    if arguments.isolation == "none":
        heading += " There are no workers to attack."
    else:
        heading += " What receivers counted stays in the workers and is not told (`--isolation none` tells it)."
    if arguments.json:
        content = {
            "command": command,
            "machine": describe_machine(),
            "stop_seconds": stops,
            "campaigns": [asdict(report) for report in reports],
        }
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(markdown(reports, heading), "utf-8")
    sys.stdout.write(markdown(reports, heading))


if __name__ == "__main__":
    main()
