"""A worker in an attacker's hands. `min_fps` of its settings says what it does: there is no other way to tell it."""

from __future__ import annotations

import json
import socket
import sys
import time
from threading import Thread

GARBAGE, ENDLESS_LINE, FLOOD, SILENCE, STRANGER, BELLS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
LATE_GARBAGE, DEAF, NO_JOIN = (7.0, 8.0, 9.0)
READY = {"type": "ready", "measures": []}


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    bell = socket.socket(fileno=int(sys.argv[2]))
    orders = channel.makefile("rb")
    mode = json.loads(orders.readline())["settings"]["min_fps"]

    def say(*reports: object) -> None:
        channel.sendall(b"".join(json.dumps(report).encode() + b"\n" for report in reports))

    def beat() -> None:
        while True:
            say({"type": "beat"})
            time.sleep(0.2)

    say(READY)
    if mode == GARBAGE:
        say({"type": "stream_ended", "peer": 1, "stream": 0, "why": "\x1b]0;owned\x07"})
    elif mode == ENDLESS_LINE:
        for _ in range(64):
            channel.sendall(b"x" * 65_536)
    elif mode == FLOOD:
        say(*[{"type": "beat"}] * 1000)
    elif mode == STRANGER:
        for peer in (0, 2, 99):
            say({"type": "stream_joined", "peer": peer, "stream": 0})
            say({"type": "stream_joined", "peer": 1, "stream": 1})
            say({"type": "stream_ended", "peer": peer, "stream": 0, "why": "mine now"})
            say({"type": "peer_ended", "peer": peer, "why": "mine now"})
            say({"type": "reply", "request": 12345, "sdp": "v=0"})
    elif mode == LATE_GARBAGE:
        time.sleep(1)
        say("what")
    elif mode == DEAF:
        beat()
    elif mode == NO_JOIN:
        Thread(target=beat, daemon=True).start()
        for order in map(json.loads, orders):
            if "request" in order:
                say({"type": "reply", "request": order["request"], "sdp": "v=0"})
    elif mode == BELLS:
        bell.setblocking(True)
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            bell.sendall(b"x")
    time.sleep(600 if mode == SILENCE else 1)


if __name__ == "__main__":
    main()
