"""A Janus with one VideoRoom, as far as the guard's session can tell: messages in, messages out, no I/O.

Written after what Janus 1.1.2 was seen to do; tests/e2e/test_janus_room.py keeps it honest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

SESSION, ROOM_HANDLE, SUBSCRIPTION_HANDLE = 11, 22, 33
PRIVATE_ID = 77
OWN_ID = 5
ROOM = 1234
VIDEO = {"type": "video", "mid": "0", "codec": "vp8"}


@dataclass
class FakeJanus:
    """Answers requests at once, as Janus would; `outbox` holds what it sends."""

    pin: str | None = None
    needs_private_id: bool = False
    publishers: dict[int, dict[str, Any]] = field(default_factory=dict)
    sections: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    outbox: list[str] = field(default_factory=list)
    is_joined: bool = False
    starts: int = 0
    offers: int = 0

    @property
    def shown(self) -> dict[str, int]:
        """Whose video the media sections hold: mid -> publisher."""
        return {section["mid"]: section["feed_id"] for section in self.sections if section["active"]}

    def take(self) -> list[str]:
        """What waits to be delivered."""
        waiting, self.outbox = self.outbox, []
        return waiting

    def handle(self, text: str) -> None:
        """Take one request."""
        message = json.loads(text)
        self.requests.append(message)
        match message["janus"]:
            case "create":
                self._say({"janus": "success", "data": {"id": SESSION}}, message)
            case "attach":
                first = not any(request.get("handle_id") for request in self.requests)
                self._say({"janus": "success", "data": {"id": ROOM_HANDLE if first else SUBSCRIPTION_HANDLE}}, message)
            case "keepalive":
                self._say({"janus": "ack"}, message)
            case "destroy":
                self._say({"janus": "success"}, message)
            case "message":
                if message["body"]["request"] != "listparticipants":
                    self._say({"janus": "ack"}, message)
                self._plugin(message, message["body"])

    def publish(self, feed: int, display: str = "", streams: list[dict[str, Any]] | None = None) -> None:
        """Somebody begins to publish."""
        self.publishers[feed] = {"id": feed, "display": display, "streams": [VIDEO] if streams is None else streams}
        if self.is_joined:
            self._tell_room({"videoroom": "event", "publishers": [self.publishers[feed]]})

    def unpublish(self, feed: int) -> None:
        """Somebody leaves: the subscription is renegotiated first, then those in the room hear of it."""
        del self.publishers[feed]
        for section in self.sections:
            if section.get("feed_id") == feed:
                self._empty(section)
        if feed in [section.get("was") for section in self.sections]:
            self._offer("updated", None)
        if self.is_joined:
            self._tell_room({"videoroom": "event", "unpublished": feed})
            self._tell_room({"videoroom": "event", "leaving": feed})

    def _plugin(self, message: dict[str, Any], body: dict[str, Any]) -> None:
        match body["request"]:
            case "listparticipants":
                present = [{**publisher, "publisher": True} for publisher in self.publishers.values()]
                listed = [*present, {"id": 9999, "display": "only watching", "publisher": False}]
                self._reply(message, {"videoroom": "participants", "participants": listed}, kind="success")
            case "join" if body.get("pin") != self.pin:
                self._refuse(message, 433, "Unauthorized (wrong pin)")
            case "join" if body["ptype"] == "publisher":
                self.is_joined = True
                joined = {"id": OWN_ID, "private_id": PRIVATE_ID, "publishers": list(self.publishers.values())}
                self._reply(message, {"videoroom": "joined", **joined})
            case "join" if self.needs_private_id and body.get("private_id") != PRIVATE_ID:
                self._refuse(message, 433, "Unauthorized (this room requires a valid private_id)")
            case "join":
                self._subscribe("attached", message, body["streams"])
            case "subscribe":
                self._subscribe("updated", message, body["streams"])
            case "unsubscribe":
                for section in self.sections:
                    if section["mid"] in [stream["sub_mid"] for stream in body["streams"]]:
                        self._empty(section)
                self._offer("updated", message)
            case "start":
                assert message["jsep"]["type"] == "answer"
                self.starts += 1
                self._reply(message, {"videoroom": "event", "started": "ok"})

    def _subscribe(self, name: str, message: dict[str, Any], wanted: list[dict[str, Any]]) -> None:
        for entry in wanted:
            if entry["feed"] not in self.publishers:
                self._refuse(message, 428, f"No such feed ({entry['feed']})")
                return
        for entry in wanted:
            for stream in self.publishers[entry["feed"]]["streams"]:
                if entry.get("mid") in (None, stream["mid"]):
                    self._show(entry["feed"], stream)
        self._offer(name, message)

    def _show(self, feed: int, stream: dict[str, Any]) -> None:
        shown = {"active": True, "type": stream["type"], "feed_id": feed, "feed_mid": stream["mid"]}
        for section in self.sections:
            if not section["active"] and section["type"] == stream["type"]:
                section.update(shown)
                return
        self.sections.append({"mid": str(len(self.sections)), **shown})

    @staticmethod
    def _empty(section: dict[str, Any]) -> None:
        section.update(active=False, was=section.pop("feed_id", None))

    def _offer(self, name: str, message: dict[str, Any] | None) -> None:
        self.offers += 1
        event = {"videoroom": name, "streams": [{k: v for k, v in s.items() if k != "was"} for s in self.sections]}
        extra = {"jsep": {"type": "offer", "sdp": f"offer {self.offers}"}}
        self._event(SUBSCRIPTION_HANDLE, event, message, extra)
        for section in self.sections:
            section.pop("was", None)

    def _refuse(self, message: dict[str, Any], code: int, why: str) -> None:
        self._reply(message, {"videoroom": "event", "error_code": code, "error": why})

    def _reply(self, message: dict[str, Any], data: dict[str, Any], kind: str = "event") -> None:
        self._event(message["handle_id"], data, message, {"janus": kind})

    def _tell_room(self, data: dict[str, Any]) -> None:
        self._event(ROOM_HANDLE, data, None, {})

    def _event(self, sender: int, data: dict[str, Any], message: dict[str, Any] | None, extra: dict[str, Any]) -> None:
        plugin = {"plugin": "janus.plugin.videoroom", "data": {"room": ROOM, **data}}
        self._say({"janus": "event", "sender": sender, "plugindata": plugin, **extra}, message)

    def _say(self, reply: dict[str, Any], message: dict[str, Any] | None) -> None:
        if message is not None:
            reply = {**reply, "transaction": message["transaction"]}
        self.outbox.append(json.dumps({"session_id": SESSION, **reply}))
