"""The counters of a node for Prometheus, on loopback, where the configuration asks for them."""

from collections.abc import Iterator
from contextlib import contextmanager

from edge.errors import ConfigError
from edge.metrics import Metrics


@contextmanager
def metrics_page(port: int, metrics: Metrics) -> Iterator[None]:
    """Serve the counters for as long as the context lasts; 0 serves none.

    Raises:
        ConfigError: the port is taken or may not be opened.
    """
    if not port:
        yield
        return
    from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415  (only who asks pays for it)
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric  # noqa: PLC0415
    from prometheus_client.registry import Collector  # noqa: PLC0415

    class Everything(Collector):
        def collect(self) -> Iterator[Metric]:
            snapshot = metrics.snapshot()
            families: dict[str, CounterMetricFamily] = {}
            for name, value in snapshot.counters.items():
                kind, _, camera = name.partition("/")
                family = families.setdefault(
                    kind, CounterMetricFamily(f"edge_{kind}", kind, labels=["camera"] if camera else [])
                )
                family.add_metric([camera] if camera else [], value)
            yield from families.values()
            for name, level in snapshot.gauges.items():
                yield GaugeMetricFamily(f"edge_{name}", name, value=level)
            for name, stage in snapshot.stages.items():
                yield CounterMetricFamily(f"edge_stage_{name}_seconds", name, value=stage.total_s)
                yield CounterMetricFamily(f"edge_stage_{name}_calls", name, value=stage.calls)
                yield GaugeMetricFamily(f"edge_stage_{name}_p99_seconds", name, value=stage.p99_s)

    registry = CollectorRegistry()
    registry.register(Everything())
    try:
        server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        raise ConfigError(f"metrics.port = {port}: {error.strerror}; choose another port or 0") from error
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
