"""The page left open: how soon it knows, and that it is right again after whatever was cut."""

import os
import time

import pytest
from page_scene import Behind, Valve, measured, page_of, until
from station_scene import Nodes, RunningStation, alert_id, eventually, payload

from edge.delivery.brokers import Mosquitto

pytestmark = [pytest.mark.browser, pytest.mark.broker, pytest.mark.slow]


def test_a_new_alert_is_on_the_page_within_a_second(browser, station: RunningStation, nodes: Nodes):
    """From the publisher's hand to the row in the document: the 95th of 100 alerts."""
    with page_of(browser, station) as page:
        page.evaluate("""() => { globalThis.seen = {}; new MutationObserver(() => {
            for (const row of document.querySelectorAll('#list .row')) seen[row.dataset.key] ??= Date.now(); })
            .observe(document.querySelector('#list'), { childList: true }); }""")
        sent = {}
        for number in range(1, 101):
            sent[f"node-7/{alert_id(number)}"] = time.time() * 1000
            nodes.say("node-7/alert", payload(number, 1, seq=number))
            time.sleep(0.02)
        seen = eventually(lambda: (found := page.evaluate("seen")) and len(found) == 100 and found)
        took_ms = sorted(seen[key] - sent[key] for key in sent)
        measured(f"raised to page: p50 {took_ms[50]:.0f} ms, p95 {took_ms[95]:.0f} ms, most {took_ms[-1]:.0f} ms")
        assert took_ms[95] < 1000


def test_a_page_left_open_is_right_again_within_five_seconds(
    browser, station: RunningStation, broker: Mosquitto, nodes: Nodes
):
    """It says so loudly while broker or station are away, and shows what happened meanwhile without a reload."""
    with page_of(browser, station, quiet=False) as page:
        nodes.say("node-7/alert", payload(1, 1))
        page.wait_for_selector(".row")
        broker.kill()
        until(page, "document.querySelector('#banners').textContent.includes('HEARS NOTHING')", 8.0)
        broker.start()
        start_s = time.monotonic()
        again = Nodes(broker.port)
        again.say("node-7/alert", payload(2, 1, seq=2))
        eventually(lambda: station.ask("health")[0] == 200)
        again.say("node-7/alert", payload(3, 1, seq=3))
        until(page, "document.querySelectorAll('#list .row').length >= 2", 6.0)
        until(page, "!document.querySelector('#banners').textContent.includes('HEARS')", 6.0)
        broker_s = time.monotonic() - start_s
        station.stop()
        until(page, "document.querySelector('#banners').textContent.includes('NO CONNECTION')", 6.0)
        again.say("node-7/alert", payload(4, 1, seq=4))
        station.start()
        start_s = time.monotonic()
        until(page, f"edgeStation.state.alerts.has('node-7/{alert_id(4)}')", 6.0)
        until(page, "!document.querySelector('#banners').textContent.includes('NO CONNECTION')")
        measured(
            f"right again after a broker restart in {broker_s:.1f} s, station in {time.monotonic() - start_s:.1f} s"
        )
        assert max(broker_s, time.monotonic() - start_s) < 5.0
        again.close()


def test_a_cut_network_is_noticed_and_mended(browser, station: RunningStation, nodes: Nodes):
    """A line that goes dead without a word is told within five seconds, and the page is right again after."""
    with Valve(station.port) as valve, page_of(browser, Behind(station, valve.port), quiet=False) as page:
        nodes.say("node-7/alert", payload(1, 1))
        page.wait_for_selector(".row")
        valve.shut()
        until(page, "document.querySelector('#banners').textContent.includes('NO CONNECTION')", 6.0)
        nodes.say("node-7/alert", payload(2, 1, seq=2))
        valve.open()
        start_s = time.monotonic()
        until(page, f"edgeStation.state.alerts.has('node-7/{alert_id(2)}')", 6.0)
        measured(f"right again after a cut network in {time.monotonic() - start_s:.1f} s")


def test_memory_stays_flat_under_live_alerts(browser, station: RunningStation, nodes: Nodes):
    """Minutes of alerts that come, change and end leave the page as large as it was."""
    minutes = float(os.environ.get("EDGE_SOAK_MINUTES", "3"))
    with page_of(browser, station) as page:

        def used_mb() -> float:
            session = page.context.new_cdp_session(page)
            session.send("HeapProfiler.collectGarbage")
            return page.evaluate("performance.memory.usedJSHeapSize") / 1e6

        deadline_s, number, first_mb = time.monotonic() + 60 * minutes, 0, None
        while time.monotonic() < deadline_s:
            number += 1
            for rev, phase in ((1, "new"), (2, "update"), (3, "end")):
                nodes.say("node-7/alert", payload(number, rev, phase=phase, seq=3 * number + rev))
            time.sleep(0.1)
            if number == 300:
                first_mb = used_mb()
        assert first_mb is not None
        last_mb = used_mb()
        measured(f"{number} alerts in {minutes:g} min: heap {first_mb:.1f} MB, then {last_mb:.1f} MB")
        assert last_mb < first_mb + 10
