"""Manifests: what is written comes back, and everything that is wrong is told at once, by line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from training.data.manifest import ManifestRow, read_manifest, row_problems, write_manifest
from training.errors import DataError

HEADER = "path,driver,target,session,generator,source,split,licence"
GOOD = "a.mp4,ann,ann,s1,none,home,train,mine"
ROW = ManifestRow("a.mp4", "ann", "ann", "s1", "none", "home", "train", "mine")


def manifest(folder: Path, *lines: str, header: str = HEADER) -> Path:
    """A manifest beside two clips, a.mp4 and b.mp4."""
    for name in ("a.mp4", "b.mp4"):
        (folder / name).touch()
    path = folder / "manifest.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rows = (ROW, replace(ROW, path="b.mp4", driver="bob", generator="tps", licence='by "x", then y', track="k/b"))
    manifest(tmp_path)
    write_manifest(rows, tmp_path / "again.csv")
    found = read_manifest(tmp_path / "again.csv")
    assert found.rows == rows
    assert [row.is_self for row in found.rows] == [True, False]
    assert [found.file(row) for row in found.rows] == [tmp_path / "a.mp4", tmp_path / "b.mp4"]


def test_other_columns_in_any_order_and_another_root_are_fine(tmp_path: Path) -> None:
    path = manifest(
        tmp_path, "mine,25.0,a.mp4,ann,ann,s1,none,home,train,k/a", header=f"licence,fps,{HEADER[:-8]},track"
    )
    moved = tmp_path / "lists" / "manifest.csv"
    moved.parent.mkdir()
    path.rename(moved)
    assert read_manifest(moved, tmp_path).rows == (replace(ROW, track="k/a"),)
    with pytest.raises(DataError, match=r"paths start from .*lists"):
        read_manifest(moved)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("c.mp4,ann,ann,s1,none,home,train,mine", "line 3: there is no file c.mp4"),
        ("/b.mp4,ann,ann,s1,none,home,train,mine", "line 3: path '/b.mp4' is absolute"),
        ("C:/b.mp4,ann,ann,s1,none,home,train,mine", "line 3: path 'C:/b.mp4' is absolute"),
        ("x/../../b.mp4,ann,ann,s1,none,home,train,mine", "reaches out of the root"),
        ("x\\b.mp4,ann,ann,s1,none,home,train,mine", "has a backslash"),
        ("./a.mp4,ann,ann,s1,none,home,train,mine", "line 3: a.mp4 is listed before, at line 2"),
        ("b.mp4,,ann,s1,none,home,train,mine", "line 3: driver is missing"),
        ("b.mp4,ann,ann,s1,none,home,training,mine", "line 3: split 'training' is none of train, val, test"),
        ("b.mp4,ann,ann,s1,none,home,,mine", "line 3: split is missing"),
        ("b.mp4,ann,ann,s1,none,home,train", "line 3: licence is missing"),
        ("b.mp4,ann,ann,s1,none,home,train,mine,or yours", "line 3: has more cells than the header"),
        ("b.mp4,bob,ann,s1,none,home,train,mine", "driver bob and target ann differ"),
        ("b.mp4,ann ,ann,s1,none,home,train,mine", "line 3: driver 'ann ' begins or ends with a blank"),
        ("b.mp4,Ann,Ann,s1,none,home,train,mine", "ann (line 2) and Ann (line 3) differ in nothing but case"),
        ("b.mp4,ann,ann,s1,none,home,test,mine", "ann is in train (drives at line 2) and in test (drives at line 3)"),
        ("b.mp4,bob,ann,s1,tps,home,val,mine", "ann is in train (drives at line 2) and in val (is shown at line 3)"),
    ],
)
def test_each_fault_is_told_with_its_line(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(DataError) as caught:
        read_manifest(manifest(tmp_path, GOOD, line))
    assert told in str(caught.value)
    assert str(caught.value).startswith("1 problem in ")


def test_all_faults_come_in_one_error(tmp_path: Path) -> None:
    lines = [GOOD, "b.mp4,,ann,,none,home,train,mine", "c.mp4,cid,cid,s1,none,home,train,mine", GOOD]
    with pytest.raises(DataError) as caught:
        read_manifest(manifest(tmp_path, *lines))
    told = str(caught.value).splitlines()
    assert told[0].startswith("3 problems")
    assert told[1:] == [
        "  line 3: driver is missing; session is missing",
        "  line 5: a.mp4 is listed before, at line 2",
        "  line 4: there is no file c.mp4",
    ]


def test_endless_faults_are_counted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="and 50 more"):
        read_manifest(manifest(tmp_path, *[f"{n}.mp4,ann,ann,s,none,home,train,mine" for n in range(150)]))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "lacks path, driver"),
        (b"path,driver\n", "lacks target, session, generator, source, split, licence"),
        (f"{HEADER},path\n".encode(), "path more than once"),
        (f"{HEADER}\n".encode(), "lists no clips"),
        (b"\xff\xfe", "codec can't decode"),
        (f'{HEADER}\n"a.mp4,ann\n'.encode(), "unexpected end of data"),
    ],
)
def test_files_that_are_no_manifest(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=told):
        read_manifest(path)
    path.unlink()
    with pytest.raises(DataError, match="cannot read the manifest"):
        read_manifest(path)


def test_rows_that_fit_together_have_no_problems() -> None:
    driven = replace(ROW, path="b.mp4", driver="bob", generator="tps")
    assert row_problems([ROW, driven, replace(driven, path="c.mp4", target="bob")], ["1", "2", "3"]) == []


@pytest.mark.shared_data
def test_the_real_clips_are_split_by_person(shared_data: Path) -> None:
    found = read_manifest(shared_data / "faces" / "manifest.csv", shared_data)
    assert len(found.rows) == 1326
    people = {split: {row.driver for row in found.rows if row.split == split} for split in ("train", "val", "test")}
    assert [len(names) for names in people.values()] == [52, 9, 20]
