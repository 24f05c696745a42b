"""Runs in the guest, as root: a real kernel, USB cameras that misbehave, and our own node and capture code.

Writes what it saw to ``result.json``; the tests on the host judge it. Time here is the guest's.
"""

import json
import os
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import ClassVar

import numpy as np

from edge.capture import devices
from edge.capture.sources import open_source
from edge.clock import SystemClock
from edge.config import CameraConfig, Config, DeliveryConfig, ModelConfig, NodeConfig, SightConfig
from edge.delivery.brokers import Mosquitto
from edge.delivery.subscriber import Subscriber
from edge.delivery.wire import AlertEvent, Health
from edge.errors import CameraError
from edge.pipeline import detector
from edge.service import Node

OUT = Path("/mnt/out")
HERE = Path(__file__).parent
PATIENCE_S = 60.0


class Emulated:
    """An emulated camera in a process of its own."""

    running: ClassVar[list["Emulated"]] = []

    def __init__(self, **options) -> None:
        """Plug it in."""
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "uvc_camera.py"), *words],
            stdin=subprocess.PIPE,
            stdout=(OUT / "cameras.log").open("a"),
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.running.append(self)
        self.ids, self.serial = options.get("ids", "1e4e:0100"), options.get("serial", "FL0001")

    def do(self, word: str) -> None:
        """Let it misbehave."""
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def wait(self) -> str:
        """Wait for the kernel to show it; return its node."""
        return until(lambda: next((one.node for one in devices.devices() if one.serial == self.serial), None))

    def close(self) -> None:
        """Unplug it for good."""
        self.running.remove(self)
        self.do("quit")
        self.process.wait()
        until(lambda: all(one.serial != self.serial for one in devices.devices()))


def until(true, patience_s: float = PATIENCE_S):
    """Wait until something is so, and return it."""
    end_s = time.monotonic() + patience_s
    while not (found := true()):
        if time.monotonic() > end_s:
            raise TimeoutError("did not happen in time")
        time.sleep(0.02)
    return found


def frames_of(count: int, **settings) -> dict:
    """Take frames with the capture code alone."""
    section = CameraConfig(id="c", **{"source": "usb:auto", "stall_after_s": 5.0, **settings})
    stopping, seen = threading.Event(), []
    with open_source(section, SystemClock(), stopping, base=OUT) as camera:
        try:
            for frame in camera:
                seen.append((frame, time.monotonic()))
                if len(seen) == count:
                    break
        except CameraError as error:
            if not seen:
                raise
            ended = str(error)
        else:
            ended = None
    return {"frames": [frame for frame, _ in seen], "arrived_s": [at for _, at in seen], "ended": ended}


def told(taken: dict) -> dict:
    """Describe frames in JSON."""
    first = taken["frames"][0]
    return {
        "count": len(taken["frames"]),
        "shape": list(first.pixels.shape),
        "dtype": str(first.pixels.dtype),
        "kind": first.radiometry.kind,
        "seq": [frame.seq for frame in taken["frames"]],
        "ffc": [frame.ffc for frame in taken["frames"]],
        "t_s": [frame.t_s for frame in taken["frames"]],
        "late_s": [at - frame.t_s for frame, at in zip(taken["frames"], taken["arrived_s"], strict=True)],
        "ended": taken["ended"],
    }


def capture_kinds() -> dict:
    """Both depths, a split picture, telemetry rows: what arrives against what was sent."""
    sys.path.insert(0, str(HERE))
    from uvc_camera import Pictures

    kinds = {
        "sixteen_bit": {"formats": "Y16 ,YUYV", "sizes": "160x120"},
        "yuyv": {"formats": "YUYV", "sizes": "160x120", "ids": "aaaa:0001"},
        "grey": {"formats": "GREY", "sizes": "168x124", "ids": "aaaa:0002"},
        "split": {"formats": "YUYV", "sizes": "256x384", "ids": "0bda:5830", "style": "split"},
        "telemetry": {"formats": "Y16 ", "sizes": "160x122", "style": "telemetry"},
    }
    result = {}
    for nth, (kind, options) in enumerate(kinds.items()):
        camera = Emulated(serial=f"K{nth}", fps=9, **options)
        camera.wait()
        taken = frames_of(24)
        pictures = Pictures(None, options.get("style", "plain"))
        fourcc, (width, height) = options["formats"][:4], map(int, options["sizes"].split("x"))
        same = []
        for frame in taken["frames"]:
            sent = np.frombuffer(pictures.frame(fourcc, frame.seq, width, height), np.uint8)
            if kind == "split":
                sent = sent.view("<u2").reshape(height, width)[height // 2 :]
            elif fourcc == "Y16 ":
                sent = sent.view("<u2").reshape(height, width)[: frame.height_px]
            else:
                sent = sent.reshape(height, width, -1)[:, :, 0]
            same.append(bool(np.array_equal(sent, frame.pixels)))
        result[kind] = {**told(taken), "same": same}
        camera.close()
    return result


def refused() -> dict:
    """A camera that is not what was said: format, and values."""
    result = {}
    for name, options, settings in (
        ("wrong_format", {"formats": "YUYV", "sizes": "160x120"}, {"profile": "lepton-y16"}),
        ("wrong_values", {"formats": "Y16 ", "sizes": "160x120", "style": "agc"}, {}),
        ("wrong_size", {"formats": "Y16 ", "sizes": "160x120"}, {"size_px": (640, 512)}),
    ):
        camera = Emulated(serial=f"R{name[6:8]}", **options)
        camera.wait()
        try:
            frames_of(3, **settings)
            result[name] = "accepted"
        except CameraError as error:
            result[name] = str(error)
        camera.close()
    return result


def listed() -> dict:
    """``edge cameras`` beside a free camera, a busy one, and one of a kind that nobody knows."""
    free = Emulated(serial="L0", formats="Y16 ,YUYV", sizes="160x120")
    busy = Emulated(serial="L1", formats="GREY", sizes="168x124", ids="aaaa:0002", port=1)
    for camera in (free, busy):
        camera.wait()
    stopping, flowing = threading.Event(), threading.Event()

    def use() -> None:
        section = CameraConfig(id="b", source="usb:aaaa:0002")
        with open_source(section, SystemClock(), stopping, base=OUT) as camera:
            for _ in camera:
                flowing.set()

    user = threading.Thread(target=use)
    user.start()
    flowing.wait(PATIENCE_S)
    command = [sys.executable, "-c", "from edge.cli import main; main()", "cameras"]
    told = subprocess.run(
        [*command, "--json", "--snapshot", str(OUT / "shots")], check=False, capture_output=True, text=True
    )
    unprivileged = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command, "--json"],
        check=False, capture_output=True, text=True, env={**os.environ, "HOME": "/tmp"},
    )  # fmt: skip
    stopping.set()
    user.join(PATIENCE_S)
    for camera in (free, busy):
        camera.close()
    return {
        "rc": told.returncode,
        "said": told.stderr,
        "cameras": json.loads(told.stdout)["cameras"],
        "pid": os.getpid(),
        "unprivileged": unprivileged.stdout + unprivileged.stderr,
    }


def doctor() -> dict:
    """``edge doctor`` on a free camera, as somebody without the group video, beside the node, and without a camera."""
    edge = [str(Path(sys.executable).parent / "edge")]  # as it is installed: a node is recognised by its command
    file = Path("/tmp/doctor.toml")  # not in OUT: nobody else may enter the folder that pytest made
    file.write_text("[[camera]]\nid = 'north'\nsource = 'usb:auto'\n[delivery]\nport = 1\n")

    def asked(*before: str) -> dict:
        command = [*before, *edge, "doctor", str(file), "--json"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "HOME": "/tmp"})
        return {one["check"]: one for one in json.loads(done.stdout)["findings"] if "north" in one["check"]}

    result = {"none": asked()}
    camera = Emulated(serial="D0", formats="Y16 ,YUYV", sizes="160x120", fps=9)
    camera.wait()
    result["free"] = asked()
    result["nobody"] = asked("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    node = subprocess.Popen([*edge, "run", str(file)], stdout=(OUT / "node.log").open("w"), stderr=subprocess.STDOUT)
    until(lambda: "first frame processed" in (OUT / "node.log").read_text(), 10 * PATIENCE_S)
    result["node"] = {"pid": node.pid, **asked()}
    node.terminate()
    node.wait()
    camera.close()
    return result


def footage() -> dict:
    """Recorded 16-bit footage through the USB camera, in real time."""
    camera = Emulated(serial="F", clip=OUT / "clip.npy", sizes="320x256", ids="cccc:0001", fps=9, formats="Y16 ")
    camera.wait()
    count = len(np.load(OUT / "clip.npy", mmap_mode="r"))
    taken = frames_of(count)
    camera.close()
    np.savez(OUT / "received.npz", pixels=np.stack([frame.pixels for frame in taken["frames"]]))
    return told(taken)


class Watched:
    """A node with one camera, its broker, and a subscriber."""

    def __init__(self, source: str, profile: str) -> None:
        """Start all three."""
        Path("/tmp/broker").mkdir()
        self.broker = Mosquitto(Path("/tmp/broker"))
        self.broker.start()
        config = Config(
            node=NodeConfig(id="node-7"),
            camera=(
                CameraConfig(
                    id="north", source=source, profile=profile, stall_after_s=2.0, frozen_reopen_s=6.0,
                    power_cycle=("/bin/sh", "-c", "echo cycled >> /mnt/out/power"), power_cycle_after_s=5.0,
                ),
            ),
            sight=SightConfig(frozen_after_s=3.0),
            model=ModelConfig(allow_unsigned=True),
            delivery=DeliveryConfig(port=self.broker.port, health_every_s=1.0, outbox_file="/tmp/outbox.db"),
        )  # fmt: skip
        self.stopping, self.heard = threading.Event(), []
        self.subscriber_stop = threading.Event()
        subscriber = Subscriber(DeliveryConfig(port=self.broker.port), self._keep, clock=SystemClock(), session="rig")
        self.listening = threading.Thread(target=subscriber.run, args=(self.subscriber_stop,), daemon=True)
        self.listening.start()
        until(lambda: subscriber.connected)
        model = detector.load(OUT / "model.onnx", config.model, key=OUT / "none")
        self.node = Node(config, model, clock=SystemClock(), stopping=self.stopping, base=OUT)
        self.running = threading.Thread(target=self.node.run, daemon=True)
        self.running.start()

    def _keep(self, event) -> None:
        self.heard.append((time.monotonic(), event.body))

    def health(self):
        """Give the camera's latest health."""
        said = [body for _, body in self.heard if isinstance(body, Health)]
        return said[-1].cameras["north"] if said else None

    def alerts(self) -> list:
        """Give the alerts about groups."""
        return [body.data for _, body in self.heard if isinstance(body, AlertEvent) and hasattr(body.data, "phase")]

    def captured(self) -> int:
        """How many frames the camera has given."""
        return self.node.metrics.counters().get("frames_captured/north", 0)

    def fault(self, name: str, break_it, mend_it, *, lasts_s: float = 0.0) -> dict:
        """Break something, wait until the subscriber hears of it, mend it, and time the first new frame."""
        before_s = time.monotonic()
        break_it()
        until(lambda: self.health().state == "offline")
        heard_s, reason = time.monotonic() - before_s, self.health().reason
        time.sleep(lasts_s)
        captured = self.captured()
        mend_it()
        mended_s = time.monotonic()
        until(lambda: self.captured() > captured)
        recovered_s = time.monotonic() - mended_s
        until(lambda: self.health().state != "offline")
        outage = self.health().last_outage
        time.sleep(2.0)
        return {
            "heard_s": heard_s,
            "reason": reason,
            "recovered_s": recovered_s,
            "told_again_s": time.monotonic() - mended_s - 2.0,
            "outages": self.health().outages,
            "outage_reason": outage.reason if outage else None,
        }

    def close(self) -> None:
        """Stop everything."""
        self.stopping.set()
        self.running.join(20)
        self.subscriber_stop.set()
        self.broker.stop()


def node_keeps_its_alerts() -> dict:
    """One node through stall, freeze, unplug, renumbering and a wrong camera, with somebody in the picture throughout."""
    camera = Emulated(fps=9, formats="Y16 ,YUYV")
    decoys: list[Emulated] = []
    camera.wait()
    watched = Watched("usb:1e4e:0100:FL0001", "lepton-y16")
    until(watched.alerts)
    result: dict = {"faults": {}}
    faults = result["faults"]
    faults["stall"] = watched.fault("stall", lambda: camera.do("stall"), lambda: camera.do("go"), lasts_s=1.0)

    frozen_s, before = time.monotonic(), watched.health().outages or 0
    camera.do("freeze")
    blind = until(lambda: watched.health().state == "blind" and watched.health().reason)
    blind_s = time.monotonic() - frozen_s
    until(lambda: (watched.health().outages or 0) > before and watched.health().state == "ok")
    faults["freeze"] = {
        "heard_s": blind_s,
        "reason": blind,
        "recovered_s": 0.0,
        "back_s": time.monotonic() - frozen_s,
        "outage_reason": watched.health().last_outage.reason,
    }
    faults["unplug"] = watched.fault("unplug", lambda: camera.do("unplug"), lambda: camera.do("plug"), lasts_s=8.0)
    result["power_cycles"] = (OUT / "power").read_text().count("cycled") if (OUT / "power").exists() else 0

    before_node = devices.find("1e4e:0100:FL0001").node

    def swap() -> None:
        camera.do("unplug")
        until(lambda: all(one.serial != "FL0001" for one in devices.devices()))
        decoys.append(Emulated(serial="DECOY", port=1))
        decoys[0].wait()

    faults["renumber"] = watched.fault("renumber", swap, lambda: camera.do("plug"), lasts_s=1.0)
    result["nodes"] = [before_node, devices.find("1e4e:0100:FL0001").node]
    decoys[0].close()

    def exchange() -> None:
        camera.close()
        decoys.append(Emulated(formats="YUYV"))  # the same numbers and serial, the wrong format
        decoys[1].wait()
        until(lambda: "profile" in str(watched.health().reason))

    def right_one() -> None:
        decoys[1].close()
        decoys.append(Emulated(fps=9, formats="Y16 ,YUYV"))
        decoys[2].wait()

    faults["wrong_format"] = watched.fault("wrong format", exchange, right_one)
    alerts = watched.alerts()
    result["alert_ids"] = sorted({str(alert.alert_id) for alert in alerts})
    result["phases"] = [alert.phase for alert in alerts]
    result["alive"] = watched.running.is_alive()
    watched.close()
    decoys[2].close()
    return result


def driver_errors() -> dict:
    """``vivid``: buffers that are dropped, marked as damaged, refused, and a device that is disconnected."""
    subprocess.run(["modprobe", "vivid", "n_devs=1", "node_types=0x1"], check=True)
    node = until(lambda: next((one.node for one in devices.devices() if "vivid" in one.name), None))

    def control(**values) -> None:
        for name, value in values.items():
            subprocess.run(["v4l2-ctl", "-d", node, "-c", f"{name}={value}"], check=True, capture_output=True)

    # its test picture is black in large parts, which the shipped profile rightly refuses
    (OUT / "vivid.toml").write_text(
        'name = "vivid"\nverified = "emulated"\nsource = "its driver"\n[picture]\nfourcc = ["Y16 "]\n'
    )
    settings = {"source": f"usb:{node}", "profile": "vivid.toml", "size_px": (320, 180)}
    result: dict = {"sound": told(frames_of(20, **settings))}
    control(percentage_of_dropped_buffers=40)
    result["dropped"] = told(frames_of(20, **settings))
    control(percentage_of_dropped_buffers=0)
    section = CameraConfig(id="c", stall_after_s=3.0, **settings)
    for name, value in (("inject_fatal_streaming_error", 1), ("disconnect", 1), ("inject_vidioc_streamon_error", 1)):
        errors, recovered = [], None
        camera, seen = open_source(section, SystemClock(), threading.Event(), base=OUT), 0
        if name == "inject_vidioc_streamon_error":
            control(**{name: value})
        start_s = time.monotonic()  # on a busy host starting a program takes the guest half a minute of its own time
        while time.monotonic() - start_s < 2 * PATIENCE_S and recovered is None:
            try:
                with camera:
                    for _ in camera:
                        seen += 1
                        if seen == 5 and not errors and name != "inject_vidioc_streamon_error":
                            control(**{name: value})
                        if errors and seen > 8:
                            recovered = time.monotonic() - start_s
                            break
            except CameraError as error:
                errors.append(str(error))
                time.sleep(0.5)
                seen = max(seen, 6)
        result[name] = {"errors": errors, "recovered": recovered is not None}
    return result


def main() -> None:
    """Run every part; a part that fails says so and the others go on."""
    subprocess.run(["modprobe", "-a", "vhci_hcd", "uvcvideo"], check=True)
    result, began_s = {}, time.monotonic()
    parts = (capture_kinds, refused, listed, doctor, node_keeps_its_alerts, footage, driver_errors)
    for part in [part for part in parts if not sys.argv[1:] or part.__name__ in sys.argv[1:]]:
        try:
            result[part.__name__] = part()
        except Exception:
            result[part.__name__] = {"failed": traceback.format_exc()}
            for left in Emulated.running[:]:
                left.close()  # the next part needs its port
        print(f"{time.monotonic() - began_s:.1f} s", part.__name__, flush=True)
        (OUT / "result.json").write_text(json.dumps(result, indent=1))
    os._exit(0)


if __name__ == "__main__":
    main()
