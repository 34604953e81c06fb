"""The `guard` command as its users meet it: quick help, and one clear line for whatever is wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from demo.puppet_frames import FPS, make_player
from demo.recording import record
from engines import registry
from engines.registry import find_model
from guard import cli

Run = Callable[..., tuple[int, str, str]]

HEAVY = ("aiortc", "av", "cv2", "fastapi", "numpy", "onnxruntime", "torch", "uvicorn")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 seconds of one puppet driven by one person."""
    return record(make_player(7, 7, take=0), 25, FPS, tmp_path_factory.mktemp("recording") / "alice.webm")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `guard` with the given words; gives exit status, stdout and stderr. Templates go to a folder of the test."""
    monkeypatch.setenv("GUARD_STORE__PATH", str(tmp_path / "templates.sqlite3"))

    def run_guard(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["guard", *words])
        with pytest.raises(SystemExit) as exit_info:
            cli.main()
        captured = capsys.readouterr()
        return int(exit_info.value.code or 0), captured.out, captured.err

    return run_guard


def write_gray_video(path: Path, frames: int = 60) -> Path:
    picture = np.full((360, 640, 3), 128, np.uint8)
    return record(iter([picture] * frames), frames / FPS, FPS, path)


def error_line(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    assert len(lines) == 1, stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['guard', '--help']\n"
        "from guard.cli import main\n"
        "try:\n    main()\nexcept SystemExit: pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"
    for command in ("serve", "watch", "enroll", "score", "demo", "doctor", "engine", "bench"):
        assert command in done.stdout


def test_enrol_then_score_two_files(run: Run, recording: Path, tmp_path: Path) -> None:
    code, out, err = run("enroll", "alice", str(recording), "--consent-by", "alice", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["windows"] >= 4
    assert set(json.loads(out)) == {"name", "windows", "engine_sha256"}, "expressions are off: no word on witnesses"
    for driver in (7, 8):
        path = record(make_player(7, driver, take=1), 20, FPS, tmp_path / f"driver-{driver}.webm")
        code, out, err = run("score", str(path), "--as", "alice", "--json")
        assert (code, err) == (0, "")
        report = json.loads(out)
        assert report["llr_p5"] <= report["llr_median"] <= report["llr_p95"]
        assert len(report["scores"]) > 50
        assert report["states"][0]["state"] == "warming"
        assert "opinions" not in report
    code, out, _ = run("templates", "--json")
    assert [row["name"] for row in json.loads(out)] == ["alice"]
    assert run("forget", "alice")[0] == 0
    assert json.loads(run("templates", "--json")[1]) == []


def test_the_enrolled_driver_scores_above_a_stranger(run: Run, recording: Path, tmp_path: Path) -> None:
    assert run("enroll", "alice", str(recording), "--consent-by", "alice")[0] == 0
    medians = []
    for driver in (7, 8):
        path = record(make_player(7, driver, take=10), 20, FPS, tmp_path / f"driver-{driver}.webm")
        medians.append(json.loads(run("score", str(path), "--as", "alice", "--json")[1])["llr_median"])
    assert medians[0] > medians[1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"this is no video at all" * 100, "is no video"),
        (b"\x1aE\xdf\xa3\x01\x00\x00\x00", "is no video"),  # a WebM file that ends within its first element
    ],
)
def test_a_file_that_is_no_video(run: Run, tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "talk.mp4"
    path.write_bytes(content)
    code, _, err = run("enroll", "alice", str(path), "--consent-by", "alice")
    assert code == 1
    assert said in error_line(err)


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    code, _, err = run("enroll", "alice", str(tmp_path / "nothing.mp4"), "--consent-by", "alice")
    assert code == 1
    assert "there is no file" in error_line(err)


def test_a_video_without_a_face(run: Run, tmp_path: Path) -> None:
    path = write_gray_video(tmp_path / "wall.webm")
    code, _, err = run("enroll", "alice", str(path), "--consent-by", "alice")
    assert code == 1
    assert "no face" in error_line(err)


def test_a_video_that_is_too_short(run: Run, tmp_path: Path) -> None:
    path = record(make_player(7, 7, take=0), 5, FPS, tmp_path / "short.webm")
    code, _, err = run("enroll", "alice", str(path), "--consent-by", "alice")
    assert code == 1
    assert "too short" in error_line(err)


def test_an_unknown_name_lists_near_ones(run: Run, recording: Path) -> None:
    assert run("enroll", "alice", str(recording), "--consent-by", "alice")[0] == 0
    code, _, err = run("score", str(recording), "--as", "alise")
    assert code == 1
    assert "alice" in error_line(err)


def test_a_failed_enrolment_keeps_the_template_that_was_there(run: Run, recording: Path, tmp_path: Path) -> None:
    assert run("enroll", "alice", str(recording), "--consent-by", "alice")[0] == 0
    before = run("templates", "--json")[1]
    code, _, _ = run("enroll", "alice", str(write_gray_video(tmp_path / "wall.webm")), "--consent-by", "alice")
    assert code == 1
    assert run("templates", "--json")[1] == before


def test_a_truncated_model_is_refused(run: Run, recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "engine"
    shutil.copytree(find_model("default"), folder)
    graph = max(folder.glob("*.onnx"), key=lambda path: path.stat().st_size)
    graph.write_bytes(graph.read_bytes()[:-100])
    code, _, err = run("score", str(recording), "--as", "alice", "--model", str(folder))
    assert code == 1
    line = error_line(err)
    assert graph.name in line or "alice" in line
    code, out, _ = run("doctor", "--json", "--model", str(folder))
    assert code == 1
    failed = {check["check"] for check in json.loads(out)["checks"] if not check["ok"]}
    assert "engine" in failed


def test_a_setting_out_of_bounds_names_itself(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_VERIFY__MIN_FPS", "500")
    code, _, err = run("config", "show")
    assert code == 1
    assert "min_fps" in error_line(err)


def test_doctor_finds_a_sound_machine(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_SERVER__PORT", "0")
    code, out, _ = run("doctor", "--json")
    report = json.loads(out)
    assert {check["check"] for check in report["checks"]} >= {"engine", "face detector", "codecs", "template store"}
    assert report["ok"] is (code == 0)
    assert code == 0, report


def test_doctor_tells_why_no_gpu_is_in_use(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = "pycuda is not installed (pip install 'whodrives[gpu]')"
    monkeypatch.setattr(registry, "find_gpu_trouble", lambda: trouble)
    monkeypatch.setenv("COLUMNS", "400")
    assert f"not faster because tensorrt: {trouble}" in run("doctor")[1]
    monkeypatch.setenv("GUARD_ENGINE__BACKEND", "tensorrt")
    report = json.loads(run("doctor", "--json")[1])
    (engine,) = (check for check in report["checks"] if check["check"] == "engine")
    assert (engine["ok"], engine["detail"]) == (False, f"tensorrt: {trouble}")
    assert engine["advice"] == "use the backend 'onnx' or 'auto'"


def test_a_recording_has_the_frames_that_were_asked_for(tmp_path: Path) -> None:
    path = record(islice(make_player(7, 7, take=0), 90), 2, FPS, tmp_path / "two-seconds.webm")
    with av.open(path) as container:
        assert sum(1 for _ in container.decode(video=0)) == 2 * FPS
