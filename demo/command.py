"""`guard demo`: an attack on a call, seen by the guard, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    seconds: Annotated[
        float | None,
        typer.Option(min=30, help="End after so long, with one attack. Otherwise: until Ctrl-C."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write what happened to this file, and draw no table (headless).")
    ] = None,
    port: Annotated[int, typer.Option(help="TCP port of dashboard and API; 0 takes a free one.")] = 8734,
    model: Annotated[str | None, typer.Option(help="Shipped engine's name or an engine folder's path.")] = None,
) -> None:
    """Play a call with puppets over real WebRTC: one face is taken over by another driver, and the guard notices.

    No camera and no network is needed. Open the printed address to watch the live dashboard.
    """
    import asyncio

    from demo.scene import play

    asyncio.run(play(seconds, json_file, port, model))
