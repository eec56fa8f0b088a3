# SPDX-License-Identifier: MIT
"""A WebSocket client that can also do what no client may."""
import base64
import hashlib
import json
import os
import socket
import struct

from serve_lib import check

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class WebSocket:
    def __init__(self, service, path, headers=()):
        key = base64.b64encode(os.urandom(16)).decode()
        self.link = socket.create_connection(("127.0.0.1", service.port), timeout=60)
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: keep-alive, Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *headers, "", ""]
        self.link.sendall("\r\n".join(lines).encode())
        self.got = b""
        while b"\r\n\r\n" not in self.got:
            piece = self.link.recv(4096)
            check(piece, "no answer to the handshake:", self.got)
            self.got += piece
        head, self.got = self.got.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        check(self.status != 101 or accept in head, head)

    def frame(self, opcode, data, fin=True, mask=True):
        if isinstance(data, str):
            data = data.encode()
        head = bytes([(0x80 if fin else 0) | opcode])
        bit = 0x80 if mask else 0
        if len(data) < 126:
            head += bytes([bit | len(data)])
        elif len(data) < 65536:
            head += bytes([bit | 126]) + struct.pack(">H", len(data))
        else:
            head += bytes([bit | 127]) + struct.pack(">Q", len(data))
        if mask:
            key = os.urandom(4)
            data = bytes(b ^ key[i % 4] for i, b in enumerate(data)) if len(data) < 100000 else data
            head += key if len(data) < 100000 else b"\0\0\0\0"
        self.link.sendall(head + data)

    def _take(self, count):
        while len(self.got) < count:
            piece = self.link.recv(65536)
            if not piece:
                raise EOFError
            self.got += piece
        piece, self.got = self.got[:count], self.got[count:]
        return piece

    def receive(self):
        """Opcode and data of the next frame; (CLOSE, b"") when there is no more."""
        try:
            first, second = self._take(2)
            check(not second & 0x80, "a server's frame is masked")
            size = second & 0x7F
            if size == 126:
                size = struct.unpack(">H", self._take(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._take(8))[0]
            return first & 0x0F, self._take(size)
        except (EOFError, ConnectionResetError, TimeoutError):
            return CLOSE, b""

    def ask(self, message):
        self.frame(TEXT, json.dumps(message))
        opcode, data = self.receive()
        check(opcode == TEXT, opcode, data)
        return json.loads(data)

    def closed_with(self):
        opcode, data = self.receive()
        check(opcode == CLOSE, opcode, data)
        return struct.unpack(">H", data[:2])[0] if len(data) >= 2 else None

    def close(self):
        self.link.close()
