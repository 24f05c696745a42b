"""Where a model runs: the first provider that works, and never another one without a word.

The providers that this machine lacks are played at the line where ONNX Runtime begins. What is played was seen with
onnxruntime-gpu 1.31.1 on a machine without a GPU: TensorRT raises, CUDA leaves only the CPU in the session.
"""

import numpy as np
import onnxruntime as ort
import pytest
from graphs import fixed_model

from edge.config import ModelConfig
from edge.errors import ModelError
from edge.pipeline import detector, session

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
XNNPACK = "XnnpackExecutionProvider"
ONE_PERSON = np.array([[[20.0, 30.0, 40.0, 80.0, 0.9]]])


@pytest.fixture
def model(tmp_path):
    """Give a small real model."""
    return fixed_model(tmp_path, "boxes", {"boxes": ONE_PERSON})


@pytest.fixture
def jetson(monkeypatch):
    """Give a package with the providers of a Jetson; ``broken`` says which of them fail, and what was asked is kept."""
    real = ort.InferenceSession
    asked: list[list[tuple[str, dict[str, str]]]] = []
    broken: set[str] = {TENSORRT, CUDA}

    def open_session(graph, options, *, providers, enable_fallback):
        assert enable_fallback == 0
        asked.append(providers)
        names = [name for name, _ in providers]
        if TENSORRT in names and TENSORRT in broken:
            raise RuntimeError("Please install TensorRT libraries\nas mentioned in the GPU requirements page")
        opened = real(graph, options, providers=[CPU])
        working = [name for name in names if name not in broken]
        opened.get_providers = lambda: list(dict.fromkeys([*working, CPU]))
        return opened

    monkeypatch.setattr(session.ort, "get_available_providers", lambda: [TENSORRT, CUDA, XNNPACK, CPU])
    monkeypatch.setattr(session.ort, "InferenceSession", open_session)
    return asked, broken


def opened(model, tmp_path, **settings):
    """Open the model."""
    config = ModelConfig(engine_cache_folder=str(tmp_path / "engines"), **settings)
    return session.open_session(model.read_bytes(), model, config)


def test_the_default_runs_on_the_cpu_and_says_nothing(model, tmp_path):
    """What is wanted and what is used agree."""
    found = opened(model, tmp_path)
    assert (found.providers, found.fault) == ((CPU,), None)


def test_a_provider_that_the_package_lacks_is_told(model, tmp_path):
    """This machine's own package has no CUDA: the model runs on the CPU, and the fault names setting and reason."""
    found = opened(model, tmp_path, providers=(CUDA, CPU))
    assert found.providers == (CPU,)
    assert f"the model runs on {CPU}: {CUDA} is not in the installed onnxruntime" in found.fault
    assert "model.providers" in found.fault


def test_without_the_cpu_in_the_list_a_missing_provider_is_an_error(model, tmp_path):
    """Who leaves the CPU out wants no slow node."""
    with pytest.raises(ModelError, match=rf"model\.providers.*{CUDA} is not in.*{CPU}"):
        opened(model, tmp_path, providers=(CUDA,))


@pytest.mark.parametrize("settings", [{"providers": ("CUDA", CPU)}, {"provider_options": {"CUDA": {"device_id": 0}}}])
def test_a_mistyped_provider_is_no_fall_back(model, tmp_path, settings):
    """A name that ONNX Runtime does not know is refused, with the nearest one."""
    with pytest.raises(ModelError, match=f"knows no 'CUDA'; did you mean '{CUDA}'"):
        opened(model, tmp_path, **settings)


def test_a_provider_that_raises_and_one_that_fails_silently_are_both_told(model, tmp_path, jetson):
    """TensorRT raises, CUDA leaves the CPU alone: the model runs, and both reasons are in the fault, in one line."""
    found = opened(model, tmp_path, providers=(TENSORRT, CUDA, CPU))
    assert found.providers == (CPU,)
    assert "TensorrtExecutionProvider fails: Please install TensorRT libraries as mentioned" in found.fault
    assert "CUDAExecutionProvider could not be started" in found.fault
    assert "\n" not in found.fault


def test_cuda_steps_in_for_tensorrt(model, tmp_path, jetson):
    """The second of the list is used when the first fails, and the fault says only that."""
    jetson[1].discard(CUDA)
    found = opened(model, tmp_path, providers=(TENSORRT, CUDA, CPU))
    assert found.providers == (CUDA, CPU)
    assert found.fault.startswith(f"the model runs on {CUDA}: {TENSORRT} fails")


def test_a_gpu_that_fails_is_an_error_where_the_cpu_is_refused(model, tmp_path, jetson):
    """Neither an exception nor a silent fall-back gets past a list without the CPU."""
    for providers in ((TENSORRT,), (CUDA,), (TENSORRT, CUDA)):
        with pytest.raises(ModelError, match=r"model\.providers"):
            opened(model, tmp_path, providers=providers)


def test_tensorrt_keeps_its_engines_and_the_operators_options_win(model, tmp_path, jetson):
    """The cache lies where the configuration says, and an option of the file goes over ours, as ONNX Runtime writes it."""
    jetson[1].clear()
    given = {TENSORRT: {"trt_fp16_enable": True, "trt_timing_cache_enable": False}}
    found = opened(model, tmp_path, providers=(TENSORRT, CPU), provider_options=given)
    assert found.fault is None
    options = dict(jetson[0][0])[TENSORRT]
    assert options["trt_engine_cache_enable"] == "1"
    assert options["trt_engine_cache_path"] == str(tmp_path / "engines")
    assert options["trt_fp16_enable"] == "1"
    assert options["trt_timing_cache_enable"] == "0"
    assert (tmp_path / "engines").is_dir()


def test_an_engine_cache_that_cannot_be_written_names_its_setting(model, tmp_path, jetson):
    """Compiling for minutes at every start is worse than being told."""
    (tmp_path / "engines").write_text("a file is in the way")
    with pytest.raises(ModelError, match=r"model\.engine_cache_folder .*engines"):
        opened(model, tmp_path, providers=(TENSORRT, CPU))


def test_xnnpack_gets_the_threads_of_the_model(model, tmp_path, jetson):
    """It has its own pool of threads, which would else take every core."""
    opened(model, tmp_path, providers=(XNNPACK, CPU), threads=3)
    assert dict(jetson[0][0])[XNNPACK] == {"intra_op_num_threads": "3"}


def test_a_broken_graph_is_the_graphs_fault(model, tmp_path, jetson):
    """With a GPU first in the list, a damaged file is still called a damaged file."""
    with pytest.raises(ModelError, match="not a model that ONNX Runtime can load"):
        session.open_session(b"nothing", model, ModelConfig(providers=(CUDA, CPU)))


def test_a_detector_carries_where_it_runs(model, tmp_path):
    """The node reads provider and fault off the loaded model, for its health."""
    config = ModelConfig(allow_unsigned=True, providers=(CUDA, CPU))
    loaded = detector.load(model, config, key=tmp_path / "none.pub")
    assert loaded.providers[0] == CPU
    assert CUDA in loaded.fault
