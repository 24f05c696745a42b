"""Every setting of the node: unit in the name, bound, default, and one line of why.

A configuration is one TOML file. An unknown key is an error that names the nearest right one, because a typo in a
threshold must not mean "default"; changing the file means a restart, so there is no half-reloaded state. Values come
from the file, else from the preset, else from the default, and ``Loaded.origins`` says which.

There is one module for each family of tables: a setting is added there, a new table also to ``whole.py``.
"""

from edge.config.camera import CameraConfig, LineConfig, ZoneConfig
from edge.config.delivery import BrokerConfig, DeliveryConfig, from_base
from edge.config.loading import Loaded, load, load_as, resolve
from edge.config.markdown import reference
from edge.config.node import LogConfig, MetricsConfig, NodeConfig
from edge.config.pipeline import (
    AlertsConfig,
    GateConfig,
    GroupsConfig,
    ModelConfig,
    PreprocessConfig,
    SightConfig,
    TrackerConfig,
)
from edge.config.position import PoseConfig, TelemetryConfig
from edge.config.recorder import RecorderConfig
from edge.config.redact import holds_secret, redacted
from edge.config.section import Section, Slug
from edge.config.walk import flatten, settings
from edge.config.whole import PRESETS, Config

__all__ = [
    "PRESETS",
    "AlertsConfig",
    "BrokerConfig",
    "CameraConfig",
    "Config",
    "DeliveryConfig",
    "GateConfig",
    "GroupsConfig",
    "LineConfig",
    "Loaded",
    "LogConfig",
    "MetricsConfig",
    "ModelConfig",
    "NodeConfig",
    "PoseConfig",
    "PreprocessConfig",
    "RecorderConfig",
    "Section",
    "SightConfig",
    "Slug",
    "TelemetryConfig",
    "TrackerConfig",
    "ZoneConfig",
    "flatten",
    "from_base",
    "holds_secret",
    "load",
    "load_as",
    "redacted",
    "reference",
    "resolve",
    "settings",
]
