"""The shipped weights can be read, and say what they were fitted for."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.errors import ModelFolderError
from engines.witnesses.fusion_table import ENGINE, FUSION_FILE, read_fusion_table


def test_a_table_that_is_missing_is_none_and_one_that_is_damaged_is_refused(tmp_path: Path) -> None:
    assert read_fusion_table(tmp_path / "fusion.json") is None
    (tmp_path / "fusion.json").write_text("{")
    with pytest.raises(ModelFolderError, match="cannot be read"):
        read_fusion_table(tmp_path / "fusion.json")
    (tmp_path / "fusion.json").write_text("[]")
    with pytest.raises(ModelFolderError, match="fit it again"):
        read_fusion_table(tmp_path / "fusion.json")


@pytest.mark.skipif(not FUSION_FILE.is_file(), reason="no weights are shipped")
def test_the_shipped_table_holds_every_set_of_its_witnesses() -> None:
    table = read_fusion_table()
    assert table is not None
    witnesses = table.models.keys() - {ENGINE}
    assert len(table.sets) == 2 ** len(witnesses) - 1
    assert all(metric.low <= metric.value <= metric.high for each in table.sets for metric in each.metrics)
