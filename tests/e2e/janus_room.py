"""A Janus of the test's own with a few VideoRooms, to be started inside a network namespace."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.e2e.network_namespace import ADDRESS

OPEN_ROOM, PIN_ROOM, PRIVATE_ID_ROOM, ANY_CODEC_ROOM = 1234, 4321, 5678, 8765
PIN = "let me in"
ADMIN_KEY = "admin"
PORT = 8188

_LIBRARIES = Path("/usr/lib/x86_64-linux-gnu/janus")
_START_SECONDS, _STOP_SECONDS = 20.0, 10.0

_CORE = """
general: {{
    configs_folder = "{folder}"
    plugins_folder = "{libraries}/plugins"
    transports_folder = "{libraries}/transports"
    events_folder = "{folder}"
    loggers_folder = "{folder}"
    debug_level = 4
    admin_secret = "{admin_key}"
    session_timeout = 60
}}
media: {{ rtp_port_range = "40000-40100" }}
nat: {{
    ice_enforce_list = "{address}"
    ice_lite = false
    ignore_mdns = true
}}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
"""
_PLUGINS = "voicemail recordplay echotest streaming audiobridge sip nosip videocall textroom lua duktape"
_TRANSPORTS = "rabbitmq pfunix mqtt nanomsg http"

_WEBSOCKETS = """
general: {{ json = "compact", ws = true, ws_port = {port}, ws_ip = "127.0.0.1", wss = false }}
admin: {{ admin_ws = false }}
"""

_ROOM = """
room-{number}: {{
    secret = "{admin_key}"
    publishers = 6
    bitrate = 2000000
    fir_freq = 0
    notify_joining = true
    {extra}
}}
"""
_DECODABLE = 'videocodec = "vp8,h264"'


def why_unavailable() -> str | None:
    """Why Janus cannot be started here, or None where it can."""
    return None if shutil.which("janus") and _LIBRARIES.is_dir() else "no Janus on this machine (Debian: janus)"


@dataclass
class Janus:
    """A Janus process; `folder` takes its configuration and its log."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its WebSocket listens."""
        return f"ws://127.0.0.1:{PORT}"

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self.folder / "janus.log").read_text("utf-8", "replace")

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        _write_configuration(self.folder)
        with (self.folder / "janus.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["janus", "-F", str(self.folder), "-C", str(self.folder / "janus.jcfg")], stdout=log, stderr=log
            )
        give_up = time.monotonic() + _START_SECONDS
        while not _listens():
            if self.process.poll() is not None or time.monotonic() > give_up:
                self.stop()
                raise RuntimeError(f"Janus did not start:\n{self.log[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it, at once if need be."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def exit_code(self) -> int | None:
        """How it ended by itself, minus a signal's number; None where it still runs two seconds from now."""
        try:
            return None if self.process is None else self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it as a crash would: no goodbye to anybody."""
        if self.process is not None:
            self.process.kill()
        self.stop()


async def ask(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Put one request to the VideoRoom plugin from outside of any room, e.g. as its moderator."""
    async with connect(url, subprotocols=[Subprotocol("janus-protocol")]) as socket:
        address: dict[str, int] = {}
        for request in (
            {"janus": "create"},
            {"janus": "attach", "plugin": "janus.plugin.videoroom"},
            {"janus": "message", "body": body},
        ):
            await socket.send(json.dumps({**request, **address, "transaction": "t"}))
            reply = json.loads(await socket.recv())
            address["handle_id" if address else "session_id"] = reply.get("data", {}).get("id", 0)
        data: dict[str, Any] = reply["plugindata"]["data"]
        return data


def _listens() -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", PORT)) == 0


def _write_configuration(folder: Path) -> None:
    rooms = {
        OPEN_ROOM: _DECODABLE,
        PIN_ROOM: f'pin = "{PIN}"\n    {_DECODABLE}',
        PRIVATE_ID_ROOM: f'pin = "{PIN}"\n    require_pvtid = true\n    {_DECODABLE}',
        ANY_CODEC_ROOM: 'videocodec = "vp9,vp8"',
    }
    folder.mkdir(exist_ok=True)
    core = _CORE.format(
        folder=folder,
        libraries=_LIBRARIES,
        admin_key=ADMIN_KEY,
        address=ADDRESS,
        plugins=_shared_objects(_PLUGINS),
        transports=_shared_objects(_TRANSPORTS),
    )
    (folder / "janus.jcfg").write_text(core)
    (folder / "janus.transport.websockets.jcfg").write_text(_WEBSOCKETS.format(port=PORT))
    room_text = "".join(
        _ROOM.format(number=number, admin_key=ADMIN_KEY, extra=extra) for number, extra in rooms.items()
    )
    general = f'general: {{ admin_key = "{ADMIN_KEY}" }}\n'
    (folder / "janus.plugin.videoroom.jcfg").write_text(general + room_text)


def _shared_objects(names: str) -> str:
    return ",".join(f"libjanus_{name}.so" for name in names.split())
