"""Scores by the published keys: which items, which of them reversed, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.errors import DataError
from training.facial_codes.questionnaires import BIG_FIVE, EXPRESSIVITY, read_questionnaire

TIPI = ["EE", "CQ", "DS", "AE", "OC", "RQ", "SW", "DC", "CE", "CU"]


def _table(path: Path, tipi: list[object], beq: list[object]) -> Path:
    names = [
        "ID",
        *(f"TIPI2_{place + 1}_{text}" for place, text in enumerate(TIPI)),
        *(f"BEQ2_{n + 1}" for n in range(16)),
    ]
    path.write_text(",".join(names) + "\n" + ",".join(map(str, ["P107", *tipi, *beq])) + "\n")
    return path


def test_items_and_reversals(tmp_path: Path) -> None:
    tipi: list[object] = [7, 1, 6, 2, 5, 1, 6, 3, 4, 2]
    beq: list[object] = [4] * 16
    found = read_questionnaire(_table(tmp_path / "q.csv", tipi, beq))["PP107"]
    assert found["extraversion"] == (7 + (8 - 1)) / 2
    assert found["agreeableness"] == (6 + (8 - 1)) / 2
    assert found["conscientiousness"] == (6 + (8 - 3)) / 2
    assert found["emotional stability"] == (4 + (8 - 2)) / 2
    assert found["openness"] == (5 + (8 - 2)) / 2
    assert {found[scale] for scale in EXPRESSIVITY} == {4.0}


def test_reversed_items_of_expressivity(tmp_path: Path) -> None:
    beq: list[object] = [1] * 16
    for item in (3, 8, 9):
        beq[item - 1] = 7
    found = read_questionnaire(_table(tmp_path / "q.csv", [4] * 10, beq))["PP107"]
    assert {found[scale] for scale in EXPRESSIVITY} == {1.0}


def test_a_missing_answer_leaves_its_scales_out(tmp_path: Path) -> None:
    found = read_questionnaire(_table(tmp_path / "q.csv", ["", *[4] * 9], [4] * 16))["PP107"]
    assert "extraversion" not in found
    assert set(found) == {*BIG_FIVE, *EXPRESSIVITY} - {"extraversion"}


@pytest.mark.parametrize("content", [None, "ID,AGE\nP1,3\n", "nothing\n1\n"])
def test_another_table_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "q.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match="cannot read the questionnaire"):
        read_questionnaire(path)
