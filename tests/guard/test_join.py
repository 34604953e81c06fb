"""`guard join` as a person meets it: bad addresses, bad settings, a server that refuses for good."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from guard.cli import main
from guard.config import SourceConfig, load_config
from guard.errors import ConfigError

Fails = Callable[..., str]


@pytest.fixture
def fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fails:
    """Runs `guard join` and gives the one line of its error."""
    monkeypatch.setenv("GUARD_STORE__PATH", str(tmp_path / "templates.sqlite3"))

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["guard", "join", *arguments, "--port", "0"])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 1
        line = capsys.readouterr().err
        assert line.startswith("error: ")
        assert line.count("\n") == 1
        return line

    return run


@contextmanager
def refusing_server(status: int) -> Iterator[str]:
    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Nothing on the test's output."""

    server = HTTPServer(("127.0.0.1", 0), Refuse)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"whep+http://127.0.0.1:{server.server_port}/whep/ann"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_address_of_no_known_kind(fails: Fails) -> None:
    assert "whep://" in fails("http://user:secret@h/x", "--name", "ann")
    assert "secret" not in fails("http://user:secret@h/x", "--name", "ann")


def test_a_whep_address_without_a_name(fails: Fails) -> None:
    assert "--name" in fails("whep://h/x")


def test_a_name_that_is_none(fails: Fails) -> None:
    assert "name" in fails("whep://h/x", "--name", "../../etc")


def test_a_server_that_refuses_the_token_ends_the_command(fails: Fails) -> None:
    with refusing_server(401) as url:
        line = fails(url, "--name", "ann", "--token", "s3cret", "--loopback")
    assert "refuses the token (401)" in line
    assert "s3cret" not in line


def test_several_calls_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "guard.toml"
    file.write_text(
        """
        [calls]
        relay_only = true
        ice_servers = [{url = "turns:turn.example.org:5349", username = "guard", credential = "s3cret"}]
        [[calls.sources]]
        url = "whep://a.example.org/x"
        name = "ann"
        token = "t0ken"
        [[calls.sources]]
        url = "whep://b.example.org/y"
        call = "retro"
        name = "ben"
        """
    )
    config = load_config(file)
    assert [(source.call, source.name) for source in config.calls.sources] == [("main", "ann"), ("retro", "ben")]
    assert not {"s3cret", "t0ken"} & set(str(config).replace("'", " ").split())
    # The command line's call comes in place of the file's.
    joined = load_config(file, {"calls": {"sources": [{"url": "whep://c.example.org/z", "name": "cat"}]}})
    assert joined.calls.sources == (SourceConfig(url="whep://c.example.org/z", name="cat"),)
    assert joined.calls.ice_servers == config.calls.ice_servers


TURN = '{url = "turn:a.example.org", username = "u", credential = "c"}'
STUN = '{url = "stun:a.example.org"}'


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("relay_only = true", "relay_only needs a TURN server"),
        (f"relay_only = true\nice_servers = [{STUN}]", "relay_only needs a TURN server"),
        (f"ice_servers = [{TURN}, {TURN}]", "at most one"),
        (f"ice_servers = [{STUN}, {STUN}]", "at most one"),
        ('ice_servers = [{url = "turn:a.example.org"}]', "username and credential"),
        ('ice_servers = [{url = "https://a.example.org"}]', "pattern"),
        ('ice_servers = [{url = "turn:a?transport=sctp"}]', "pattern"),
    ],
)
def test_ice_servers_that_could_not_work_are_refused(tmp_path: Path, settings: str, said: str) -> None:
    file = tmp_path / "guard.toml"
    file.write_text(f"[calls]\n{settings}\n")
    with pytest.raises(ConfigError, match=said):
        load_config(file)
