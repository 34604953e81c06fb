"""An error analysis in sentences and tables: who is confused with whom, and what limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.evaluation.error_analysis import ErrorAnalysis, PartEffect
from training.evaluation.report_text import table

_WORST = 8
_SIGNIFICANT = 0.05


def errors_text(found: ErrorAnalysis) -> str:
    """Markdown."""
    return "\n\n".join(
        [
            "\n".join(f"- {sentence}" for sentence in (*confusions(found), *limits(found))),
            table(
                ["Worst drivers", "Kind", "AUC", "Motion (1/1000 eye distance a frame)", "Taken for"],
                [
                    (
                        e.driver,
                        "person" if e.real else "procedural",
                        f"{e.area:.3f}",
                        f"{e.motion:.1f}",
                        e.confused_with,
                    )
                    for e in found.drivers[:_WORST]
                ],
            ),
            table(
                [
                    "Part",
                    "Rank correlation of its motion with how far the own template stands out (95 %)",
                    "p (one part)",
                ],
                [(effect.part, _signed(effect), f"{effect.p_value:.2g}") for effect in found.parts],
            ),
        ]
    )


def confusions(found: ErrorAnalysis) -> list[str]:
    """Which drivers the errors come from, and whom they are taken for."""
    drivers = found.drivers
    errors = np.array([1 - error.area for error in drivers])
    quarter = max(1, len(drivers) // 4)
    share = errors[:quarter].sum() / max(float(errors.sum()), 1e-9)
    bad = [error for error in drivers if error.area < 0.5]
    own = np.diag(found.similarity)
    best = int((own >= np.nanmax(found.similarity, axis=0)).sum())
    said = [
        f"The worst {quarter} of {len(drivers)} drivers make {share:.0%} of the errors (wrongly ranked pairs of the "
        f"own and another template); a quarter of equals would make {quarter / len(drivers):.0%}. Over all their "
        f"probes {best} are nearest to their own template.",
    ]
    if bad:
        pairs = ", ".join(f"{error.driver} for {error.confused_with}" for error in bad)
        said.append(
            f"Worse than chance: {len(bad)} ({pairs}). On their probes a stranger's template mostly fits better."
        )
    taken = {error.driver: error.confused_with for error in drivers}
    mutual = sorted({tuple(sorted((one, other))) for one, other in taken.items() if taken.get(other) == one})
    if mutual:
        said.append(f"Nearest to each other both ways: {', '.join(f'{one} and {other}' for one, other in mutual)}.")
    return said


def limits(found: ErrorAnalysis) -> list[str]:
    """What more of would help: video, motion, a part of the face."""
    lost, left = 1 - found.window_area, 1 - found.pooled_area
    least, between, most = found.thirds
    return [
        f"Seconds: a template tells single windows with an AUC of {found.window_area:.3f}, all windows of a side "
        f"pooled reach {found.pooled_area:.3f}. {_change(lost, left)}",
        f"Motion: in the third of windows that moves least the AUC is {least:.3f}, then {between:.3f}, and {most:.3f} "
        f"where most moves. Over drivers {_relation(found.driver_effect)}.",
        _parts(found.parts),
    ]


def _parts(parts: Sequence[PartEffect]) -> str:
    """Whether the motion of a part goes with the margin, all parts that were looked at counted (Bonferroni)."""
    strongest = min(parts, key=lambda effect: effect.p_value)
    counted = min(1.0, strongest.p_value * len(parts))
    figures = f"{_signed(strongest)}, p = {strongest.p_value:.2g}, {counted:.2g} with all {len(parts)} parts counted"
    if counted >= _SIGNIFICANT:
        return (
            "Parts: of no part of the face is it shown that its motion goes with the margin of a window "
            f"(nearest: {strongest.part}, {figures})."
        )
    size = "larger" if strongest.correlation.value > 0 else "smaller"
    return f"Parts: more motion of the {strongest.part} goes with a {size} margin of a window ({figures})."


def _signed(effect: PartEffect) -> str:
    one = effect.correlation
    return f"{one.value:+.2f} [{one.low:+.2f}, {one.high:+.2f}]"


def _change(lost: float, left: float) -> str:
    if left >= lost:
        return "More video does not help."
    return f"More video takes {1 - left / lost:.0%} of the error away, {left / lost:.0%} of it stays."


def _relation(effect: PartEffect) -> str:
    """What a rank correlation shows, and what it does not."""
    figures = f"(rank correlation {_signed(effect)}, p = {effect.p_value:.2g})"
    if effect.p_value >= _SIGNIFICANT:
        return f"no relation of motion and error is shown {figures}"
    return f"who moves more is told {'better' if effect.correlation.value > 0 else 'worse'} {figures}"
