"""edge: finds people in thermal video, counts them as groups, and tells a control room over MQTT.

The map of the package is in ``CONTRIBUTING.md``. Three sentences hold it: imports point down; stages never import each
other; only the programs (service, replay, demo, station, simulate, evaluate) join things together.
"""

__version__ = "0.1.0"
