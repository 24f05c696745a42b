"""GStreamer's own RTSP server: an honest camera with KLV beside its pictures, run by the system's Python.

    /usr/bin/python3 rtsp_server.py PORT [NAME:PASSWORD]

KLV comes from standard input, one packet a line in hexadecimal, and is sent again and again, ten times a second.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

VIDEO = (
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=322,height=178,framerate=15/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph264pay name=pay0 pt=96"
)
KLV = (
    "appsrc name=klv is-live=true do-timestamp=true format=time caps=meta/x-klv,parsed=true ! rtpklvpay name=pay1 pt=97"
)


def main(port: str, login: str | None) -> None:
    """Serve until killed."""
    Gst.init(None)
    packets = [bytes.fromhex(line) for line in sys.stdin.read().split()]
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( {VIDEO} {KLV} )" if packets else f"( {VIDEO} )")
    factory.set_shared(True)
    if packets:
        factory.connect("media-configure", lambda _factory, media: feed(media, packets))
    if login is not None:
        permit(server, factory, *login.split(":"))
    server.get_mount_points().add_factory("/thermal", factory)
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


def feed(media, packets: list[bytes]) -> None:
    """Push the packets in turn into a medium."""
    source, number = media.get_element().get_by_name("klv"), [0]

    def push() -> bool:
        buffer = Gst.Buffer.new_wrapped(packets[number[0] % len(packets)])
        number[0] += 1
        return source.emit("push-buffer", buffer) == Gst.FlowReturn.OK or number[0] < 100

    GLib.timeout_add(100, push)


def permit(server, factory, name: str, password: str) -> None:
    """Ask for a name and a password."""
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(name, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_role("user")
    for right in ("access", "construct"):
        permissions.add_permission_for_role("user", f"media.factory.{right}", True)
    factory.set_permissions(permissions)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
