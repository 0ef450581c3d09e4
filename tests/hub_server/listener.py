"""The HTTP server: it reads requests and sends answers, broken ones included."""

import contextlib
import re
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub_server.messages import Request, Response

if TYPE_CHECKING:
    from tests.hub_server import HubServer

DRIP_SECONDS = 0.05


class Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: object) -> None:
        self._connections: list[socket.socket] = []
        super().__init__(*arguments)

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def hang_up(self) -> None:
        """Close the connections that clients keep open between requests."""
        for connection in self._connections:
            with contextlib.suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)


def handler_for(hub: "HubServer") -> type[BaseHTTPRequestHandler]:  # noqa: C901
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            # Segments stay quoted for the routes: a revision may hold a slash.
            path = re.sub(r"%(?!2F)([0-9A-F]{2})", lambda match: unquote(match[0]), address.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b"".join(self._chunks())
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(hub.answer(Request(self.command, path, headers, body), parse_qs(address.query), body))

        do_HEAD = do_POST = do_PUT = do_GET

        def _chunks(self) -> Iterator[bytes]:
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def _send(self, response: Response) -> None:
            if response.stalled:
                hub.healed.wait()
            if response.endless or response.drips:
                self._send_on_and_on(response)
                return
            self.send_response(response.status)
            for name, value in {**response.headers, "Content-Length": str(len(response.body))}.items():
                self.send_header(name, value)
            body = b"" if self.command == "HEAD" else response.body
            if response.send_only is None:
                self.end_headers()
                self.wfile.write(body)
                return
            if response.send_only:
                self.end_headers()
                self.wfile.write(body[: response.send_only])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

        def _send_on_and_on(self, response: Response) -> None:
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            part = bytes(2**16) if response.endless else b" "
            while not hub.healed.wait(0 if response.endless else DRIP_SECONDS):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.close_connection = True

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, BrokenPipeError):
                self.close_connection = True  # the client went away

        def log_message(self, *_: object) -> None:
            """Requests stand in `HubServer.requests`, not on the terminal."""

    return Handler
