"""``[delivery]``: the broker, and what is kept until it answers."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from edge.config.section import Section


class BrokerConfig(Section):
    """Where the broker is and how we show who we are: the same words for a node and for a station."""

    host: str = Field("127.0.0.1", min_length=1, description="name or address of the MQTT broker")
    port: int = Field(1883, ge=1, le=65535, description="its port; 8883 is usual with tls")
    mqtt_version: Literal["auto", "5", "3.1.1"] = Field("auto", description="auto: 5, and 3.1.1 where 5 is refused")
    username: str | None = Field(None, description="user name, where the broker wants one")
    password_file: str | None = Field(None, description="file with the password on its first line; never the password")
    tls: bool = Field(default=False, description="encrypt and verify the broker's certificate")
    tls_verify: bool = Field(
        default=True,
        description="false: believe any broker; whoever stands in between can silence or forge every alert",
    )
    tls_ca_file: str | None = Field(None, description="certificate authority of the broker; empty: the system's")
    tls_cert_file: str | None = Field(None, description="our own certificate, where the broker asks for one")
    tls_key_file: str | None = Field(None, description="key of that certificate")


class DeliveryConfig(BrokerConfig):
    """``[delivery]``: the broker."""

    keepalive_s: int = Field(30, ge=5, le=1200, description="a silent link is noticed after 1.5 of these")
    connect_timeout_s: float = Field(
        10.0, ge=0.5, le=120.0, description="a broker that does not answer for this long is tried again later"
    )
    will_delay_s: int = Field(
        10, ge=0, le=3600, description="a gap shorter than this is not announced as 'offline' (MQTT 5 only)"
    )
    ack_timeout_s: float = Field(
        20.0, ge=1.0, le=600.0, description="a message unanswered for this long is sent again on a new connection"
    )
    ack_settle_s: float = Field(
        5.0, ge=0.0, le=600.0, description="what was confirmed this shortly before a lost connection is sent once more"
    )
    backoff_max_s: float = Field(60.0, ge=1.0, le=3600.0, description="longest pause between two tries to connect")
    window: int = Field(
        8, ge=1, le=64, description="messages on their way at once; brokers punish more than they allow"
    )
    outbox_file: str = Field("outbox.sqlite", min_length=1, description="where undelivered alerts are kept")
    outbox_max_mb: float = Field(
        64.0,
        ge=1.0,
        le=65536.0,
        description="beyond this size 'update' rows are given up, oldest first; never new or end",
    )
    confirm: Literal["broker", "station"] = Field(
        "broker",
        description="who ends the waiting of an alert: broker: its confirmation; station: a receipt, once it is stored",
    )
    receipt_timeout_s: float = Field(
        30.0,
        ge=1.0,
        le=3600.0,
        description="without a receipt for this long an alert is sent again, then after twice as long, up to 15 min",
    )
    resend_keep_s: float = Field(
        86400.0, ge=0.0, le=2_592_000.0, description="delivered alerts are kept this long, for a station with a gap"
    )
    resend_keep_mb: float = Field(8.0, ge=0.0, le=1024.0, description="... and no more than this of them")
    health_every_s: float = Field(15.0, ge=1.0, le=3600.0, description="pause between two health messages")


def from_base(delivery: DeliveryConfig, base: Path) -> DeliveryConfig:
    """Spell out the paths, which a configuration means from the folder that it lies in itself."""
    names = ("outbox_file", "password_file", "tls_ca_file", "tls_cert_file", "tls_key_file")
    given = {name: getattr(delivery, name) for name in names}
    paths = {name: str(base / Path(value).expanduser()) for name, value in given.items() if value}
    return delivery.model_copy(update=paths)
