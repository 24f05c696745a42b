"""A whole configuration file of the node, and what its presets set."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from edge.config.camera import CameraConfig
from edge.config.delivery import DeliveryConfig
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
from edge.config.recorder import RecorderConfig
from edge.config.section import Section, repeated


class Config(Section):
    """A whole configuration file."""

    preset: Literal["border", "rescue"] = Field(
        "border",
        description="border: few false alerts; rescue: tells of lone, still and half hidden people sooner, and of more "
        "animals. Only named settings differ, see PRESETS",
    )
    node: NodeConfig = Field(default_factory=NodeConfig)
    camera: tuple[CameraConfig, ...] = Field((), description="the cameras of this node")
    preprocess: PreprocessConfig = Field(default_factory=PreprocessConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    gate: GateConfig = Field(default_factory=GateConfig)
    tracker: TrackerConfig = Field(default_factory=TrackerConfig)
    groups: GroupsConfig = Field(default_factory=GroupsConfig)
    alerts: AlertsConfig = Field(default_factory=AlertsConfig)
    sight: SightConfig = Field(default_factory=SightConfig)
    delivery: DeliveryConfig = Field(default_factory=DeliveryConfig)
    recorder: RecorderConfig = Field(default_factory=RecorderConfig)
    log: LogConfig = Field(default_factory=LogConfig)
    metrics: MetricsConfig = Field(default_factory=MetricsConfig)

    @model_validator(mode="after")
    def _camera_ids_differ(self) -> "Config":
        twice = repeated(camera.id for camera in self.camera)
        if twice:
            raise ValueError(f"two cameras are called '{twice[0]}'; camera.id must differ")
        return self


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # the defaults are the border's: what is told there has been followed for a while and is worth a patrol
    "border": {},
    # one lost person is everything: believed sooner and of a fainter shape, told sooner and louder, held for minutes behind
    # trees. Who sits, crawls or is half hidden scores low, and so do deer and cattle: that is the price
    "rescue": {
        "model.score": 0.25,
        "tracker.confirm_hits": 2,
        "tracker.confirm_s": 0.2,
        "tracker.hidden_s": 120.0,
        "alerts.raise_after_s": 0.8,
        "alerts.min_confidence": 0.1,
        "alerts.important_count": 1,
        "alerts.urgent_count": 5,
    },
}
"""What a preset sets, by dotted name; anything in the file wins over it."""
