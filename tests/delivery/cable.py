"""A network cable between a node and a real broker that can be cut, or left dead without a word."""

import socket
import threading
import time
from typing import Self


class Cable:
    """Forwards TCP from a loopback port of its own to ``target_port``."""

    def __init__(self, target_port: int) -> None:
        """Lead to a broker on loopback."""
        self._target_port = target_port
        self._pairs: list[socket.socket] = []
        self.dead = False

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.dead = False
        self.cut()

    def cut(self) -> None:
        """Reset every connection; new ones work."""
        for sock in self._pairs:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._pairs.clear()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                return
            self._pairs += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                while self.dead:
                    time.sleep(0.01)
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for sock in (source, sink):
                sock.close()
