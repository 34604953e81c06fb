"""`python -m engines build` and `guard engine build`; TensorRT and the GPU are stand-ins or missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engines import __main__ as engines_command
from engines.cuda import gpu
from engines.tensorrt import build_command
from guard import cli
from tests.engines.tensorrt.recording_cuda import RecordingCuda
from tests.engines.tensorrt.recording_tensorrt import RecordingTensorRT

Run = Callable[..., tuple[int, str]]


@pytest.fixture(params=["python -m engines", "guard engine"])
def run(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs either command with the given words; gives exit status and stderr. Plans go to a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    words = request.param.split()[-1:]

    def run_command(*more: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["command", *(words if words == ["engine"] else []), *more])
        with pytest.raises(SystemExit) as exit_info:
            if words == ["engine"]:
                cli.main()
            else:
                sys.exit(engines_command.main())
        return int(exit_info.value.code or 0), capsys.readouterr().err

    return run_command


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> RecordingTensorRT:
    """A machine with TensorRT and a GPU, both made of paper."""
    tensorrt = RecordingTensorRT()
    monkeypatch.setattr(build_command, "find_tensorrt", lambda: tensorrt.package)
    monkeypatch.setattr(gpu, "cuda_driver", lambda: RecordingCuda())
    return tensorrt


def test_plans_are_built_kept_and_found_again(run: Run, stand_ins: RecordingTensorRT, tmp_path: Path) -> None:
    status, said = run("build", "default")
    assert status == 0
    for graph in ("backbone", "head", "embedding"):
        assert f"{graph}-fp16: building for NVIDIA Stand-in" in said
    assert said.splitlines()[-1] == f"f5c-stream fp16 is ready in {tmp_path / 'whodrives' / 'plans'}"
    stand_ins.calls.clear()
    status, said = run("build", "f5c-stream")
    assert (status, stand_ins.calls) == (0, [])
    assert said.count("taken from") == 3


def test_precisions_have_plans_of_their_own(run: Run, stand_ins: RecordingTensorRT) -> None:
    assert run("build")[0] == 0
    status, said = run("build", "--precision", "fp32")
    assert status == 0
    assert "backbone-fp32: building" in said


def test_plans_that_cannot_be_kept_are_an_error(run: Run, stand_ins: RecordingTensorRT, tmp_path: Path) -> None:
    (tmp_path / "whodrives").write_text("in the way")
    status, said = run("build")
    assert status == 1
    assert said.splitlines()[-1].startswith("error: compiled code cannot be kept in ")


def test_a_machine_without_tensorrt_gets_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("tensorrt", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, package, None)
    status, said = run("build")
    assert status == 1
    assert said.startswith("error: tensorrt ")
    assert said.endswith("(pip install 'whodrives[gpu]')\n")
    assert said.count("\n") == 1


def test_a_machine_without_a_gpu_gets_one_line(
    run: Run, stand_ins: RecordingTensorRT, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoLibrary(RecordingCuda):
        def cuInit(self, flags: int) -> tuple[object, ...]:  # noqa: N802 - NVIDIA's name
            raise RuntimeError("libcuda.so.1 was not found")

    monkeypatch.setattr(gpu, "cuda_driver", lambda: NoLibrary())
    assert run("build") == (
        1,
        "error: no CUDA driver is installed (libcuda.so.1 was not found); check with nvidia-smi\n",
    )


def test_an_unknown_engine_gets_one_line(run: Run) -> None:
    status, said = run("build", "nobody")
    assert (status, said.count("\n")) == (1, 1)
    assert said.startswith("error: no engine 'nobody'")
