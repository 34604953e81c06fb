"""The live table on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from demo.report import Track
from guard.verify.states import DriverState

_COLOURS = {DriverState.VERIFIED: "green", DriverState.MISMATCH: "bold red", DriverState.ABSTAIN: "magenta"}


def draw(tracks: Iterable[Track], seconds: float) -> Table:
    """Everybody's state, newest score and last alert after `seconds` of the scene."""
    table = Table(title=f"{seconds:5.0f} s", title_justify="left")
    for column in ("participant", "really driven by", "state", "evidence", "llr", "fps", "latency", "why / last alert"):
        table.add_column(column)
    for track in tracks:
        table.add_row(*_row(track))
    return table


def _row(track: Track) -> tuple[str, ...]:
    genuine = track.driver == track.role.driver
    driver = f"driver {track.driver}" if genuine else f"[bold red]driver {track.driver} (impostor)[/bold red]"
    colour = _COLOURS.get(track.state, "yellow")
    score = track.newest
    told = f"ALERT at {track.alerts[-1]['seconds']} s: {track.alerts[-1]['reason']}" if track.alerts else track.why
    return (
        track.role.participant,
        driver,
        f"[{colour}]{track.state}[/{colour}]",
        f"{score.evidence:+.1f}" if score is not None else "",
        f"{score.llr:+.1f}" if score is not None and score.llr is not None else "",
        f"{score.fps:.0f}" if score is not None else "",
        f"{score.latency.total_ms:.0f} ms" if score is not None and score.latency is not None else "",
        told,
    )
