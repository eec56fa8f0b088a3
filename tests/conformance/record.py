# SPDX-License-Identifier: MIT
"""What a client sends, on its way to the service: a proxy that writes requests down, one JSON object a line.

    {"connection", "method", "path", "headers", "body"}     a request; without what names a host, a key or a machine
    {"connection", "message"}                               a text over a WebSocket
"""
import json
import socket
import struct
import threading

LEFT_OUT = ("host", "authorization", "x-api-key", "content-length", "sec-websocket-key", "traceparent", "cookie")


class Recorder:
    """`url` instead of the service's."""

    def __init__(self, port):
        self.port, self.sent, self.threads = port, [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            kept = bytearray()
            self.sent.append(kept)
            for source, sink, keep in ((client, server, kept), (server, client, None)):
                thread = threading.Thread(target=self.pump, args=(source, sink, keep), daemon=True)
                thread.start()
                self.threads.append(thread)

    @staticmethod
    def pump(source, sink, keep):
        try:
            while piece := source.recv(65536):
                if keep is not None:
                    keep += piece
                sink.sendall(piece)
        except OSError:
            pass
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def write(self, path):
        self.listener.close()
        for thread in self.threads:
            thread.join(10)
        known = set()
        with open(path, "w", encoding="utf-8") as file:
            for number, data in enumerate(self.sent):
                rows = [json.dumps(row, sort_keys=True) for row in requests(bytes(data))]
                if len(rows) == 1 and rows[0] in known:
                    continue  # the same as another connection's
                known.update(rows)
                for row in rows:
                    file.write(json.dumps({"connection": number, **json.loads(row)}, sort_keys=True) + "\n")


def requests(data):
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        body, data = data[:length], data[length:]
        kept = {k: v for k, v in headers.items() if k not in LEFT_OUT and not k.startswith("x-stainless")}
        yield {"method": method, "path": path, "headers": kept, "body": body.decode()}
        if headers.get("upgrade", "").lower() == "websocket":
            yield from messages(data)
            return


def messages(data):
    """Texts of a client's frames (masked, whole: neither client here sends fragments)."""
    while len(data) >= 6:
        kind, length, at = data[0] & 15, data[1] & 127, 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length, at = struct.unpack(">H" if size == 2 else ">Q", data[2:2 + size])[0], 2 + size
        mask, body = data[at:at + 4], data[at + 4:at + 4 + length]
        data = data[at + 4 + length:]
        if kind == 1:
            yield {"message": bytes(b ^ mask[i % 4] for i, b in enumerate(body)).decode()}
