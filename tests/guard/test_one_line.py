"""What a server says must not write on the operator's terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from guard.calls.janus.messages import parse_message
from guard.one_line import one_line


@given(text=st.text(), limit=st.integers(0, 50))
def test_whatever_comes_is_one_printable_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) == min(len(text), limit)
    assert line.isprintable()
    assert all(shown in (given, " ") for shown, given in zip(line, text, strict=False))


def test_a_server_s_reason_can_obey_nothing() -> None:
    reason = r"\u001b]0;owned\u0007\u001b[2J\nalice: verified"
    error = parse_message(f'{{"janus": "error", "error": {{"code": 1, "reason": "{reason}"}}}}').error
    assert error is not None
    assert error.reason == " ]0;owned  [2J alice: verified"
