"""Manifests of released layouts, on miniature trees of the same shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from training.data.layouts.avaprintdb import read_avaprintdb
from training.data.layouts.folder import read_folder
from training.data.layouts.nvfair import UNKNOWN_SESSION, read_nvfair
from training.data.layouts.tree import FoundClips
from training.errors import DataError

UUID = "063b1674-e708-5f9c-8f09-2f75f27a31aa"
Labels = tuple[str, str, str, str, str, str]


def tree(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def labels(found: FoundClips) -> dict[str, Labels]:
    """Driver, target, session, generator, source and split by path."""
    return {
        row.path: (row.driver, row.target, row.session, row.generator, row.source, row.split)
        for row in found.manifest.rows
    }


def reasons(found: FoundClips) -> dict[str, str]:
    return {refusal.path: refusal.why for refusal in found.refused}


@pytest.fixture
def nvfair(tmp_path: Path) -> Path:
    """The release with two people of each split and their clips."""
    (tmp_path / "train_val_test_splits.txt").write_text(
        "identities in train set:\nid011\n1019\n\nidentities in validation set:\n1004\n1017\n\n"
        "identities in test set:\nid001\nActor_19\n1085\n1001\n"
    )
    (tmp_path / "subject_sources.txt").write_text(
        "NVIDIA-VC-subset:\nid001\nid011\n\nRAVDESS dataset:\nActor_19\n\n"
        "CREMA-D dataset:\n1001\n1004\n1017\n1019\n1085'\n"
    )
    return tree(
        tmp_path,
        "NVIDIA-VC-subset/originals/id001/a01-id001.mp4",
        "NVIDIA-VC-subset/facevid2vid-generated/id001/id001--a01-id001--id001.mp4",
        "NVIDIA-VC-subset/lia-generated/id001/id001--1001_IEO_FEA_LO--1001.mp4",
        "NVIDIA-VC-subset/tps-generated/id001/id001--Actor_19.mp4",
        "NVIDIA-VC-subset/facevid2vid-generated/id001/id001--1019_IEO_FEA_LO--1019.mp4",
        "CREMA-D/originals/1085/1085_DFA_ANG_XX.mp4",
        "CREMA-D/tps-generated/1004/1004--1017_DFA_ANG_XX--1017.mp4",
    )


def test_nvfair(nvfair: Path) -> None:
    found = read_nvfair(nvfair)
    vc = "NVIDIA-VC-subset"
    assert labels(found) == {
        "CREMA-D/originals/1085/1085_DFA_ANG_XX.mp4": ("1085", "1085", "1085_DFA_ANG_XX", "none", "CREMA-D", "test"),
        "CREMA-D/tps-generated/1004/1004--1017_DFA_ANG_XX--1017.mp4":
            ("1017", "1004", "1017_DFA_ANG_XX", "tps", "CREMA-D", "val"),
        f"{vc}/facevid2vid-generated/id001/id001--a01-id001--id001.mp4":
            ("id001", "id001", "a01-id001", "facevid2vid", "NVIDIA-VC", "test"),
        f"{vc}/lia-generated/id001/id001--1001_IEO_FEA_LO--1001.mp4":
            ("1001", "id001", "1001_IEO_FEA_LO", "lia", "CREMA-D", "test"),
        f"{vc}/originals/id001/a01-id001.mp4": ("id001", "id001", "a01-id001", "none", "NVIDIA-VC", "test"),
        f"{vc}/tps-generated/id001/id001--Actor_19.mp4":
            ("Actor_19", "id001", UNKNOWN_SESSION, "tps", "RAVDESS", "test"),
    }  # fmt: skip
    assert reasons(found) == {
        f"{vc}/facevid2vid-generated/id001/id001--1019_IEO_FEA_LO--1019.mp4":
            "its driver 1019 is in train and its target id001 in test: fits no split"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("CREMA-D/originals/1085/readme.txt", "is no video"),
        ("CREMA-D/originals/1085.mp4", "does not lie in"),
        ("CREMA-D/fomm-generated/1085/1085--x--1085.mp4", "does not lie in"),
        ("CREMA-D/lia-generated/1085/1001--x--1085.mp4", "begins with 1001, yet it lies in the folder of 1085"),
        ("CREMA-D/lia-generated/1085/1085.mp4", "not of the form"),
        ("CREMA-D/lia-generated/1085/1085----1001.mp4", "not of the form"),
        ("CREMA-D/lia-generated/1085/1085--x--y--1001.mp4", "not of the form"),
        ("CREMA-D/lia-generated/1085/1085--x--1091.mp4", "1091 is in no split"),
    ],
)
def test_nvfair_lists_what_it_cannot_read(nvfair: Path, path: str, why: str) -> None:
    found = read_nvfair(tree(nvfair, path))
    assert why in reasons(found)[path]
    assert len(found.manifest.rows) == 6


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("train_val_test_splits.txt", "id001\n", "line 1: 'id001' is no identity and no heading"),
        ("train_val_test_splits.txt", "train set:\nid001\ntest set:\nid001\n", "line 4: id001 is both train and test"),
        ("train_val_test_splits.txt", "train and test set:\nid001\n", "no heading with train, validation, test"),
        ("train_val_test_splits.txt", "", "lists no identities"),
        ("subject_sources.txt", "RAVDESS dataset:\nActor_19\nsomebody\n", "'somebody' is no identity"),
    ],
)
def test_nvfair_needs_clear_lists(nvfair: Path, file: str, text: str, told: str) -> None:
    (nvfair / file).write_text(text)
    with pytest.raises(DataError, match=told):
        read_nvfair(nvfair)
    (nvfair / file).unlink()
    with pytest.raises(DataError, match=f"cannot read .*{file}"):
        read_nvfair(nvfair)


VIDEOS = "database/data/videos"


def test_avaprintdb(tmp_path: Path) -> None:
    found = read_avaprintdb(
        tree(
            tmp_path,
            f"{VIDEOS}/TEST/GAGA/C1061--C1005--{UUID}--GAGA.mp4",
            f"{VIDEOS}/TEST/Actor_01--Actor_01--{UUID}--LIVE.mp4",
            f"{VIDEOS}/DEV/HUNY/C1011--C1001--{UUID}--HUNY.mp4",
            f"{VIDEOS}/DEV/HUNY/Actor_05--Actor_06--{UUID}--HUNY.mp4",
            f"{VIDEOS}/DEV/HUNY/Actor_05--Actor_03--{UUID}--HUNY.mp4",
        )
    )
    assert labels(found) == {
        f"{VIDEOS}/TEST/GAGA/C1061--C1005--{UUID}--GAGA.mp4": ("1005", "1061", UUID, "gagavatar", "CREMA-D", "test"),
        f"{VIDEOS}/TEST/Actor_01--Actor_01--{UUID}--LIVE.mp4":
            ("Actor_01", "Actor_01", UUID, "liveportrait", "RAVDESS", "test"),
        f"{VIDEOS}/DEV/HUNY/C1011--C1001--{UUID}--HUNY.mp4":
            ("1001", "1011", UUID, "hunyuanportrait", "CREMA-D", "val"),
        f"{VIDEOS}/DEV/HUNY/Actor_05--Actor_06--{UUID}--HUNY.mp4":
            ("Actor_06", "Actor_05", UUID, "hunyuanportrait", "RAVDESS", "train"),
    }  # fmt: skip
    assert list(reasons(found)) == [f"{VIDEOS}/DEV/HUNY/Actor_05--Actor_03--{UUID}--HUNY.mp4"]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (f"TEST/C1061--C1005--{UUID}.mp4", "not of the form"),
        (f"TEST/1061--C1005--{UUID}--GAGA.mp4", "1061 is no identity"),
        (f"TEST/C1061--C1005--{UUID}--SORA.mp4", "SORA is none of the generators"),
        (f"TEST/LIVE/C1061--C1005--{UUID}--GAGA.mp4", "ends in GAGA, yet it lies in TEST/LIVE"),
        (f"VAL/C1061--C1005--{UUID}--GAGA.mp4", "neither in DEV nor in TEST"),
        (f"TEST/GAGA/Actor_01--Actor_01--{UUID}--GAGA.mp4", "more than one clip of this name"),
    ],
)
def test_avaprintdb_lists_what_it_cannot_read(tmp_path: Path, path: str, why: str) -> None:
    kept = f"{VIDEOS}/TEST/Actor_02--Actor_02--{UUID}--GAGA.mp4"
    double = f"{VIDEOS}/TEST/Actor_01--Actor_01--{UUID}--GAGA.mp4"
    found = read_avaprintdb(tree(tmp_path, kept, double, f"{VIDEOS}/{path}"))
    assert why in reasons(found)[f"{VIDEOS}/{path}"]
    assert kept in labels(found)
    assert (double in labels(found)) == ("more than one" not in why)


def test_avaprintdb_refuses_one_person_in_both_parts(tmp_path: Path) -> None:
    names = [f"{VIDEOS}/{part}/C1005--C1005--{UUID[:-1]}{part[0]}--GAGA.mp4" for part in ("DEV", "TEST")]
    with pytest.raises(DataError, match=r"1005 is in train .* and in test"):
        read_avaprintdb(tree(tmp_path, *names))


def test_own_recordings(tmp_path: Path) -> None:
    root = tree(
        tmp_path / "team",
        *("ann/monday/1.mp4", "ann/monday/2.mov", "ann/tuesday/1.mp4", "bob/hello.mp4", "bob/bye.MP4", "cid/x.webm"),
        *("note.mp4", "bob/list.txt", "bob/a/b/deep.mp4", ".cache/x.mp4", "bob/.x.mp4"),
    )
    found = read_folder(root)
    assert {path: labels(found)[path][:5] for path in labels(found)} == {
        "ann/monday/1.mp4": ("ann", "ann", "monday", "none", "team"),
        "ann/monday/2.mov": ("ann", "ann", "monday", "none", "team"),
        "ann/tuesday/1.mp4": ("ann", "ann", "tuesday", "none", "team"),
        "bob/bye.MP4": ("bob", "bob", "bye", "none", "team"),
        "bob/hello.mp4": ("bob", "bob", "hello", "none", "team"),
        "cid/x.webm": ("cid", "cid", "x", "none", "team"),
    }
    assert {row.driver: row.split for row in found.manifest.rows}.keys() == {"ann", "bob", "cid"}
    assert {row.split for row in found.manifest.rows} == {"train", "val", "test"}
    assert list(reasons(found)) == ["bob/a/b/deep.mp4", "bob/list.txt", "note.mp4"]


@pytest.mark.parametrize(("read", "told"), [(read_folder, "3 files"), (read_avaprintdb, "no folder")])
def test_folders_without_clips(tmp_path: Path, read: Callable[[Path], FoundClips], told: str) -> None:
    with pytest.raises(DataError, match=told):
        read(tree(tmp_path, "a/x.txt", "b/x.txt", "c/x.txt"))
