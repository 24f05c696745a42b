"""How the programs log: structlog to standard error, for people or for journald. Libraries below never configure it."""

import logging
import sys

import structlog

from edge.config import LogConfig


def configure(config: LogConfig) -> None:
    """Send every log line to standard error in the configured form and from the configured level on."""
    stamped: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if config.format == "json":
        stamped += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        stamped += [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=stamped,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, config.level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
