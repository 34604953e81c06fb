"""What second opinions came to over a file: a summary for programs, and one for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from guard.verify.second_opinion import Heard, SecondOpinion
from guard.verify.witness_words import plain_name


def opinions_report(heard: Sequence[SecondOpinion]) -> dict[str, Any]:
    """Medians over the file, in nats, and the movements that stood out at its end. heard: one for each verdict."""
    fused = [second.fused.llr for second in heard if second.fused is not None]
    movements = next((second.movements for second in reversed(heard) if second.movements), ())
    return {
        "witnesses": [_of_one(rows) for rows in zip(*(second.opinions for second in heard), strict=True)],
        "fused_llr_median": float(np.median(fused)) if fused else None,
        "movements": [
            {"words": each.words, "direction": each.direction, "share": round(each.share, 3)} for each in movements
        ],
    }


def _of_one(rows: Sequence[Heard]) -> dict[str, Any]:
    llrs = [row.llr for row in rows if row.llr is not None]
    return {
        "name": rows[0].name,
        "llr_median": float(np.median(llrs)) if llrs else None,
        "heard": round(len(llrs) / len(rows), 3),
        "why": rows[-1].why,
    }


def print_opinions(report: dict[str, Any], console: Console) -> None:
    """The summary as a table, then the movements in words."""
    table = Table("opinion", "median", "heard", "", title="second opinions, in nats (above 0: for the enrolled driver)")
    for each in report["witnesses"]:
        median = "-" if each["llr_median"] is None else f"{each['llr_median']:+.2f}"
        table.add_row(plain_name(each["name"]), median, f"{each['heard']:.0%}", escape(each["why"] or ""))
    if report["fused_llr_median"] is not None:
        table.add_row("all together", f"{report['fused_llr_median']:+.2f}", "", "")
    console.print(table)
    for movement in report["movements"]:
        console.print(
            f"  {movement['words']}: {movement['direction']} often than when enrolled ({movement['share']:.0%} of the "
            "difference)"
        )
