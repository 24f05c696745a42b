"""Every setting of the station: one TOML file, read and refused in the same way as the node's."""

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from edge.config import BrokerConfig, DeliveryConfig, LogConfig, Section, Slug, load_as
from edge.errors import ConfigError

MIN_TOKEN_CHARS = 16
_PMTILES_3 = b"PMTiles\x03"
_PMTILES_HEADER_BYTES = 127
_WINDOW = 512  # unacknowledged messages: one commit to disk must pay for many of them

Days = Annotated[float, Field(ge=0.01, le=36500.0)]


class IngestConfig(BrokerConfig):
    """``[delivery]``: the broker, with the same names as in the node's file, and shorter patience."""

    keepalive_s: int = Field(5, ge=5, le=1200, description="a silent link is noticed after 1.5 of these")
    connect_timeout_s: float = Field(
        5.0, ge=0.5, le=120.0, description="a broker that does not answer for this long is tried again"
    )
    backoff_max_s: float = Field(2.0, ge=1.0, le=3600.0, description="longest pause between two tries to connect")

    receipts: bool = Field(
        default=True, description="tell each node which of its alerts are on disk here, on edge/v1/{node}/receipt"
    )

    def as_delivery(self) -> DeliveryConfig:
        """Say the same to the code that connects; the window is not bounded as a node's is."""
        return DeliveryConfig(**self.model_dump(exclude={"receipts"})).model_copy(update={"window": _WINDOW})


class WebConfig(Section):
    """``[web]``: the page and its programming interface."""

    host: str = Field("127.0.0.1", min_length=1, description="address to listen on; not loopback needs web.token_file")
    port: int = Field(8080, ge=0, le=65535, description="port to listen on; 0: any free one")
    token_file: str | None = Field(
        None, description="file with a token of 16 or more characters on its first line; whoever has it is let in"
    )
    map_file: str | None = Field(
        None, description="base map of the region, a .pmtiles archive (PMTiles 3); empty: a plain metre grid"
    )

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @model_validator(mode="after")
    def _others_need_a_token(self) -> "WebConfig":
        if not self.loopback and self.token_file is None:
            raise ValueError(
                f"web.host {self.host} can be reached from other machines and nobody would be asked who they are: "
                "set web.token_file, or web.host to 127.0.0.1"
            )
        return self


class StoreConfig(Section):
    """``[store]``: where alerts are kept."""

    url: str = Field(
        "sqlite:///station.sqlite",
        pattern=r"^(sqlite:///.+|postgresql(\+pg8000)?://.+)$",
        description="sqlite:///FILE, from the folder of this file, or postgresql://USER@HOST/DATABASE",
    )
    keep_days: Days = Field(
        365.0, description="an alert without a word for so many days is deleted with all that belongs to it"
    )
    snapshots_max_mb: float = Field(
        500.0, ge=0.0, le=1_000_000.0, description="pictures of alerts beyond this are deleted, the oldest first"
    )


class PresenceConfig(Section):
    """``[presence]``: when a node counts as lost."""

    silent_after_s: float = Field(
        60.0, ge=2.0, le=86400.0, description="a node without a word for this long is silent: as loud as an alert"
    )
    forget_alert_after_s: float = Field(
        3600.0,
        ge=10.0,
        le=864000.0,
        description="an acknowledged alert that never ended leaves the live list after this long without a word",
    )


class StationConfig(Section):
    """A whole configuration file of the station."""

    name: Slug = Field("station", description="name of this station at the broker; one per broker")
    delivery: IngestConfig = Field(default_factory=IngestConfig)
    web: WebConfig = Field(default_factory=WebConfig)
    store: StoreConfig = Field(default_factory=StoreConfig)
    presence: PresenceConfig = Field(default_factory=PresenceConfig)
    log: LogConfig = Field(default_factory=LogConfig)


def load(path: Path) -> StationConfig:
    """Read and check a station's configuration file; relative paths in it are meant from its folder.

    Raises:
        ConfigError: as ``edge.config.load``.
    """
    config = load_as(StationConfig, path)
    base = path.resolve().parent
    web, store, delivery = config.web, config.store, config.delivery
    names = ("password_file", "tls_ca_file", "tls_cert_file", "tls_key_file")
    files = {name: _from(base, getattr(delivery, name)) for name in names}
    if store.url.startswith("sqlite:///"):
        file = store.url.removeprefix("sqlite:///")
        store = store.model_copy(update={"url": f"sqlite:///{_from(base, file)}"})
    return config.model_copy(
        update={
            "web": web.model_copy(
                update={"token_file": _from(base, web.token_file), "map_file": _from(base, web.map_file)}
            ),
            "store": store,
            "delivery": delivery.model_copy(update=files),
        }
    )


def token(web: WebConfig) -> str | None:
    """Read the token, if one is configured.

    Raises:
        ConfigError: the file cannot be read or holds too short a token.
    """
    if web.token_file is None:
        return None
    try:
        lines = Path(web.token_file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"web.token_file {web.token_file}: cannot be read: {error}") from error
    first = lines[0].strip() if lines else ""
    if len(first) < MIN_TOKEN_CHARS:
        raise ConfigError(
            f"web.token_file {web.token_file}: its first line has {len(first)} characters; "
            f"{MIN_TOKEN_CHARS} or more are needed (openssl rand -hex 24)"
        )
    return first


def base_map(web: WebConfig) -> str | None:
    """Give the base map's path, once it is sure that a page could read it.

    Raises:
        ConfigError: it cannot be read, or is no PMTiles archive of version 3.
    """
    if web.map_file is None:
        return None
    try:
        with Path(web.map_file).open("rb") as archive:
            start = archive.read(_PMTILES_HEADER_BYTES)
    except OSError as error:
        raise ConfigError(f"web.map_file {web.map_file}: cannot be read: {error.strerror or error}") from error
    if len(start) < _PMTILES_HEADER_BYTES or not start.startswith(_PMTILES_3):
        raise ConfigError(
            f"web.map_file {web.map_file}: is no PMTiles archive of version 3; "
            "an .mbtiles file becomes one with: pmtiles convert IN.mbtiles OUT.pmtiles"
        )
    return web.map_file


def _from(base: Path, file: str | None) -> str | None:
    return str(base / Path(file).expanduser()) if file else None
