"""The tables of the box itself: its name, its log, its page of metrics."""

from typing import Literal

from pydantic import Field

from edge.config.section import Section, Slug


class NodeConfig(Section):
    """``[node]``: this box."""

    id: Slug = Field("node-1", description="name of this box in every topic; one per broker")


class LogConfig(Section):
    """``[log]``."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is written")
    format: Literal["console", "json"] = Field("console", description="console for people, json for journald")


class MetricsConfig(Section):
    """``[metrics]``: a page for Prometheus."""

    port: int = Field(0, ge=0, le=65535, description="port on 127.0.0.1; 0: no page")
