"""edge: finds people in thermal video, counts them as groups, and tells a control room over MQTT.

The map of the package is in ``CONTRIBUTING.md``. Three sentences hold it: imports point down; stages never import each
other; only the programs (service, replay, demo, station, simulate, evaluate) join things together.
"""

import os

# ONNX Runtime's own wheels report to Microsoft from 1.29 on: who runs it, on what, which model, and an id of the box that
# it keeps below ~/.cache. It must be told before it is loaded, so here, where everything of ours begins.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
