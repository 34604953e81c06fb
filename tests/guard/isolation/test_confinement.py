"""How a machine's confinement is told: what is missing is never left unsaid."""

from __future__ import annotations

from guard.isolation.messages import Measure
from guard.isolation.supervisor import describe


def test_what_does_not_hold_is_told_with_its_reason() -> None:
    holding = Measure(name="no core dumps", holds=True, detail="0 bytes")
    missing = Measure(name="system call filter", holds=False, detail="Function not implemented")
    assert describe([holding]) == "no core dumps"
    assert describe([holding, missing]).endswith("does NOT hold here: system call filter (Function not implemented)")
    assert describe([missing]).startswith("nothing; ")
