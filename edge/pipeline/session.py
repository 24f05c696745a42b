"""A graph on the processor that the configuration wants, or on the next one of its list, and never silently.

The only file that imports ONNX Runtime. Left alone it falls back to the CPU in three ways: without a word when a provider
is not in the installed package, with a line on standard error when a CUDA library is missing, and with an exception when a
TensorRT library is missing (all three seen with onnxruntime-gpu 1.31.1 on a machine without a GPU). Here each of them
becomes ``Opened.fault``, and a list without the CPU means that the CPU is refused.
"""

import difflib
from pathlib import Path
from typing import Any, NamedTuple

import onnxruntime as ort

from edge.config import ModelConfig
from edge.errors import ModelError

_CPU = "CPUExecutionProvider"
_TENSORRT = "TensorrtExecutionProvider"
_XNNPACK = "XnnpackExecutionProvider"
_REASON_CHARS = 300  # the first half of what ONNX Runtime says may be the name of its own source file

Options = dict[str, str]


class Opened(NamedTuple):
    """A session, and how far it is what was wanted.

    Attributes:
        session: the ONNX Runtime session.
        providers: where it runs, as ONNX Runtime names them, first choice first.
        fault: for a person, why it does not run where the configuration wants it; None when it does.
    """

    session: Any
    providers: tuple[str, ...]
    fault: str | None = None


def open_session(graph: bytes, path: Path, config: ModelConfig) -> Opened:
    """Open a graph on the first provider of the configuration that works.

    Args:
        graph: content of the .onnx file.
        path: names it in messages.
        config: ``[model]``; ``engine_cache_folder`` is taken as it stands.

    Raises:
        ModelError: none of the providers works, one has no such name, or the graph cannot be loaded.
    """
    _check_names(config)
    available = ort.get_available_providers()
    reasons = {
        name: f"{name} is not in the installed onnxruntime {ort.__version__}"
        for name in config.providers
        if name not in available
    }
    wanted = [name for name in config.providers if name in available]
    options = {name: _options(name, config) for name in wanted}
    for first, name in enumerate(wanted):
        try:
            session = ort.InferenceSession(
                graph,
                _session_options(config),
                providers=[(later, options[later]) for later in wanted[first:]],
                enable_fallback=0,
            )
        except Exception as error:  # onnxruntime raises a dozen classes of its own without a common one
            if name == _CPU:  # it is always there, so the graph is to blame
                raise ModelError(f"{path}: not a model that ONNX Runtime can load: {_short(error)}") from error
            reasons[name] = f"{name} fails: {_short(error)}"
        else:
            return _judged(session, config, reasons)
    raise _nowhere(config, reasons)


def _judged(session: Any, config: ModelConfig, reasons: dict[str, str]) -> Opened:
    used = tuple(session.get_providers())
    for name in config.providers:
        if name not in used:
            reasons.setdefault(name, f"{name} could not be started (its libraries, its driver); see standard error")
    in_order = [reasons[name] for name in config.providers if name in reasons]
    if not set(config.providers) & set(used):
        raise _nowhere(config, reasons)
    fault = f"the model runs on {used[0]}: {'; '.join(in_order)} (model.providers)" if in_order else None
    return Opened(session, used, fault)


def _session_options(config: ModelConfig) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = config.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a waiting box stays cool
    options.enable_mem_pattern = False  # 12 MB less at 640x512 and no slower
    options.log_severity_level = 3
    return options


def _options(name: str, config: ModelConfig) -> Options:
    """Give what a provider should know; the operator's own options win."""
    ours: Options = {}
    if name == _XNNPACK:
        ours["intra_op_num_threads"] = str(config.threads)  # it has a pool of its own, beside the one of the session
    if name == _TENSORRT:
        folder = str(_writable(Path(config.engine_cache_folder)))
        ours |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder}
        ours |= {"trt_timing_cache_enable": "1", "trt_timing_cache_path": folder}
    given = config.provider_options.get(name, {})
    return ours | {key: str(int(value) if isinstance(value, bool) else value) for key, value in given.items()}


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ModelError(f"model.engine_cache_folder {folder}: {error.strerror}; name a folder to write to") from error
    return folder


def _check_names(config: ModelConfig) -> None:
    known = {*ort.get_all_providers(), *ort.get_available_providers()}
    for name in (*config.providers, *config.provider_options):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ModelError(f"model.providers, model.provider_options: ONNX Runtime knows no '{name}'{hint}")


def _nowhere(config: ModelConfig, reasons: dict[str, str]) -> ModelError:
    return ModelError(
        f"model.providers = {list(config.providers)}: {'; '.join(reasons.values())}; with '{_CPU}' at the end of the list "
        "the model would run on the CPU instead"
    )


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _REASON_CHARS else f"{text[:_REASON_CHARS]}..."
