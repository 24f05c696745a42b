"""How the station starts: quickly, and without anything that only a node needs."""

import subprocess
import sys
import textwrap

import pytest

_IMPORTS = "import starlette.applications, starlette.routing, uvicorn, sqlalchemy"
_STATION = textwrap.dedent("""
    import sys, tempfile, threading, urllib.request
    from edge.station import run
    from edge.station.settings import StationConfig
    with tempfile.TemporaryDirectory() as folder:
        config = StationConfig(web={"port": 0}, store={"url": f"sqlite:///{folder}/s.sqlite"}, log={"level": "error"})
        stopping, took_s = threading.Event(), []
        def ready(served):
            assert urllib.request.urlopen(served.url + "api/v1/live").status == 200
            took_s.append(time.perf_counter() - start_s)
            stopping.set()
        run(config, stopping, on_ready=ready)
        print(took_s[0])
""")


def seconds(code: str) -> float:
    """Run code in a fresh interpreter and give the seconds it printed last."""
    done = subprocess.run(
        [sys.executable, "-c", f"import time; start_s = time.perf_counter()\n{code}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout.strip().splitlines()[-1])


def test_nothing_of_the_node_is_imported():
    """Neither onnxruntime, OpenCV, PyAV, scipy nor numpy is loaded by a station."""
    code = (
        "import sys, edge.station, edge.station.settings;"
        "print([name for name in ('onnxruntime', 'cv2', 'av', 'scipy', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_first_answer_comes_within_twice_the_time_of_its_libraries():
    """Best of five, taken in turn, so that a busy machine slows both alike."""
    imports, starts = [], []
    for _ in range(5):
        imports.append(seconds(f"{_IMPORTS}\nprint(time.perf_counter() - start_s)"))
        starts.append(seconds(_STATION))
    assert min(starts) <= 2.0 * min(imports), (imports, starts)
