"""The tables, the same on SQLite and PostgreSQL.

Times are seconds since 1970 UTC. ``heard`` is by the station's clock, which orders things: a node's may be wrong.
``state`` and ``event`` hold the checked CloudEvent as JSON text, so that nothing a node said is lost when a column is
missing here.
"""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

VERSION = 2

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

node = Table(
    "node",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("boot_id", String(128)),
    Column("availability", String(8)),
    Column("about", Text),
    Column("health", Text),
    Column("heard_utc_s", Float, nullable=False),
    Column("since_utc_s", Float, nullable=False),
)

alert = Table(
    "alert",
    metadata,
    Column("node", String(64), primary_key=True),
    Column("alert_id", String(128), primary_key=True),
    Column("rev", BigInteger, nullable=False),
    Column("camera", String(64), nullable=False),
    Column("phase", String(8), nullable=False),
    Column("priority", Integer, nullable=False),  # 0 routine, 1 important, 2 urgent
    Column("count", Integer, nullable=False),
    Column("count_max", Integer, nullable=False),
    Column("heard_utc_s", Float, nullable=False),  # its first revision
    Column("changed_utc_s", Float, nullable=False),  # its latest one
    Column("state", Text, nullable=False),
    Column("handled", String(12), nullable=False),  # open, acknowledged, dismissed
    Column("handled_priority", Integer, nullable=False),  # what it was when handled; louder than that calls again
    Column("handled_by", String(80)),
    Column("handled_utc_s", Float),
    Column("handled_reason", String(300)),
    Column("live", Integer, nullable=False),  # 1: still going on, or nobody has looked at it
    Index("alert_live", "live", "heard_utc_s"),
    Index("alert_heard", "heard_utc_s", "node", "alert_id"),
    Index("alert_changed", "changed_utc_s"),
)

revision = Table(
    "revision",
    metadata,
    Column("node", String(64), primary_key=True),
    Column("alert_id", String(128), primary_key=True),
    Column("rev", BigInteger, primary_key=True, autoincrement=False),
    Column("heard_utc_s", Float, nullable=False),
    Column("event", Text, nullable=False),
    sqlite_with_rowid=False,
)

sight = Table(
    "sight",
    metadata,
    Column("node", String(64), primary_key=True),
    Column("alert_id", String(128), primary_key=True),
    Column("rev", BigInteger, primary_key=True, autoincrement=False),
    Column("camera", String(64), nullable=False),
    Column("heard_utc_s", Float, nullable=False),
    Column("event", Text, nullable=False),
    Index("sight_heard", "heard_utc_s"),
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("node", String(64), primary_key=True),
    Column("alert_id", String(64), primary_key=True),  # in lower case, as topics have it
    Column("camera", String(64), nullable=False),
    Column("heard_utc_s", Float, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("picture", LargeBinary, nullable=False),  # a JPEG file
    Index("snapshot_heard", "heard_utc_s", "size_bytes"),
)

stream = Table(
    "stream",
    metadata,
    Column("node", String(64), primary_key=True),
    Column("boot_id", String(128), primary_key=True),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("missing", Text, nullable=False),  # JSON: [[first, last], ...]
    Column("missing_count", BigInteger, nullable=False),
    Column("lost", Text, nullable=False),  # likewise: asked for and gone; at most the latest 256
    Column("lost_count", BigInteger, nullable=False),
    Column("heard_utc_s", Float, nullable=False),
)

action = Table(
    "action",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("node", String(64), nullable=False),
    Column("alert_id", String(128), nullable=False),
    Column("utc_s", Float, nullable=False),
    Column("who", String(80), nullable=False),
    Column("kind", String(12), nullable=False),  # acknowledge, dismiss, note
    Column("text", String(2000)),
    Column("told", Integer, nullable=False),  # see ``store.OUTCOMES``: 0 until the node has answered
    Index("action_untold", "told", "utc_s"),
    Index("action_alert", "node", "alert_id"),
)

trouble = Table(
    "trouble",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("node", String(64), nullable=False),
    Column("camera", String(64), nullable=False),  # empty: the node itself
    Column("state", String(8), nullable=False),  # blind, offline, silent
    Column("reason", String(400)),
    Column("began_utc_s", Float, nullable=False),
    Column("ended_utc_s", Float),
    Column("handled_by", String(80)),
    Column("handled_utc_s", Float),
    Column("handled_note", String(2000)),
    Index("trouble_open", "ended_utc_s", "handled_utc_s"),
    Index("trouble_began", "began_utc_s"),
)
