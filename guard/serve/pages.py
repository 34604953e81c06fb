"""The dashboard's files, as Vite built them."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

STATIC = Path(__file__).parent / "static"

_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>guard</title>
<h1>The guard is running, its dashboard is not built</h1>
<p>Run <code>make setup</code> in the source tree (it needs no Node of your own), or install the wheel.</p>
<p>The API, the WebSocket and <code>guard watch</code> work without it.</p>
</html>
"""


def add_pages(app: FastAPI, static: Path = STATIC) -> None:
    """Serve the dashboard (`/`) and the pages to join (`/join`) and to tap a call (`/tap`), or say that none is built.

    Comes last: what no other route takes is looked for among the files.
    """
    index = static / "index.html"
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    @router.get("/join")
    @router.get("/tap")
    async def page() -> Response:
        if index.is_file():
            # The file names of scripts and styles change with their content, this page's does not.
            return FileResponse(index, headers={"Cache-Control": "no-cache"})
        return HTMLResponse(_NOT_BUILT, 503)

    app.include_router(router)
    if static.is_dir():
        app.mount("/", StaticFiles(directory=static), name="dashboard")
