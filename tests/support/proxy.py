"""A TCP proxy that can cut, freeze and refuse connections, for partitions between real programs."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_POLL_S = 0.05
_CHUNK = 65_536


class Proxy:
    """Forwards connections from ``port`` to a target, as long as the way is not disturbed.

    ``cut`` ends all connections and refuses new ones; ``freeze`` keeps them and lets no byte
    through, which neither side can tell from a slow network; ``heal`` undoes both.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._closed = threading.Event()
        self._refusing = False
        self._threads: list[threading.Thread] = []
        self.host = "127.0.0.1"
        self.port = 0
        self.accepted = 0

    def start(self) -> None:
        """Listen on a free port."""
        self._listener = socket.create_server((self.host, 0))
        self._listener.settimeout(_POLL_S)
        self.port = self._listener.getsockname()[1]
        self._flowing.set()
        self._run(self._accept)

    def stop(self) -> None:
        """End everything."""
        self._closed.set()
        self._flowing.set()
        self._drop_all()
        for thread in self._threads:
            thread.join(timeout=5)
        if self._listener is not None:
            self._listener.close()

    def cut(self) -> None:
        """End all connections and refuse new ones."""
        self._refusing = True
        self._drop_all()

    def freeze(self) -> None:
        """Let no byte through."""
        self._flowing.clear()

    def heal(self) -> None:
        """Let connections and bytes through again."""
        self._refusing = False
        self._flowing.set()

    def _accept(self) -> None:
        assert self._listener is not None
        while not self._closed.is_set():
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            if self._refusing:
                near.close()
                continue
            try:
                far = socket.create_connection(self._target, timeout=5)
            except OSError:
                near.close()
                continue
            self.accepted += 1
            with self._lock:
                self._open |= {near, far}
            self._run(self._pump, near, far)
            self._run(self._pump, far, near)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):  # of a socket that was cut meanwhile, too
            source.settimeout(_POLL_S)
            while not self._closed.is_set():
                try:
                    data = source.recv(_CHUNK)
                except TimeoutError:
                    continue
                if not data:
                    break
                self._flowing.wait()
                sink.sendall(data)
        self._drop(source, sink)

    def _drop(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._open.difference_update(sockets)
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _drop_all(self) -> None:
        with self._lock:
            sockets = tuple(self._open)
        self._drop(*sockets)

    def _run(self, job: object, *args: object) -> None:
        thread = threading.Thread(target=job, args=args, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)


@contextmanager
def proxy_to(host: str, port: int) -> Iterator[Proxy]:
    """Run a proxy before a server."""
    proxy = Proxy(host, port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
