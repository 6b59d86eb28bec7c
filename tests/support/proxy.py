"""A TCP proxy that tests stand between a client and a server, to make the way between them bad."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")

_CHUNK = 65536
_WAITING = 64
"""Pieces that may be on their way in one direction; the sender waits when there are more."""


class LoopThread:
    """An asyncio loop on a thread of its own."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do it there and wait for what comes of it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def close(self) -> None:
        """End the loop and what still runs in it."""
        self.run(self._cancel())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    async def _cancel(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class Proxy:
    """Listens on 127.0.0.1 and passes every connection on to a unix socket. All of it can be changed while it runs.

    ``delay_s`` is added in each direction, ``asked`` counts the pieces that clients have sent. While the proxy is a
    *hole*, connections are taken and nothing gets through either way; what was sent arrives when the hole has closed,
    as TCP would bring it.
    """

    def __init__(self, upstream: Path) -> None:
        self.delay_s = 0.0
        self.asked = 0
        self._upstream = upstream
        self._refusing = False
        self._lines: set[_Line] = set()
        self._thread = LoopThread("proxy")
        self._clear = asyncio.Event()
        self._clear.set()
        self._server = self._thread.run(self._listen())
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def lines(self) -> int:
        """How many connections there are."""
        return len(self._lines)

    def reset(self) -> int:
        """Reset every connection; returns how many there were."""
        return self._thread.run(self._reset())

    def hole(self, on: bool) -> None:
        """Let nothing through, or everything again."""
        self._thread.run(self._hole(on))

    def refuse(self, on: bool) -> None:
        """Reset each new connection at once."""
        self._refusing = on

    def heal(self) -> None:
        """As at the beginning."""
        self.delay_s = 0.0
        self.refuse(False)
        self.hole(False)

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._thread.run(self._close())
        self._thread.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = _Line(self, writer)
        self._lines.add(line)
        try:
            if not self._refusing:
                await self._clear.wait()
                await line.carry(reader, self._upstream)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            line.cut()
            self._lines.discard(line)

    async def passable(self, due: float) -> None:
        """Wait until ``due`` (loop time), and while there is a hole."""
        await asyncio.sleep(max(0.0, due - self._thread.loop.time()))
        await self._clear.wait()

    async def _reset(self) -> int:
        lines = list(self._lines)
        for line in lines:
            line.cut()
        return len(lines)

    async def _hole(self, on: bool) -> None:
        if on:
            self._clear.clear()
        else:
            self._clear.set()

    async def _close(self) -> None:
        self._server.close()
        await self._reset()


class _Line:
    """One connection and its other half."""

    def __init__(self, proxy: Proxy, client: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._writers = [client]

    async def carry(self, reader: asyncio.StreamReader, upstream: Path) -> None:
        """Pass on until one side has ended."""
        answers, writer = await asyncio.open_unix_connection(str(upstream))
        self._writers.append(writer)
        ways = [
            asyncio.create_task(way)
            for way in (self._pass(reader, writer, 1), self._pass(answers, self._writers[0], 0))
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counts: int) -> None:
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_WAITING)
        collecting = asyncio.create_task(self._collect(reader, pieces))
        try:
            while (piece := await pieces.get())[1]:
                self._proxy.asked += counts
                await self._proxy.passable(piece[0])
                writer.write(piece[1])
                await writer.drain()
            await self._proxy.passable(piece[0])
        finally:
            collecting.cancel()

    async def _collect(self, reader: asyncio.StreamReader, pieces: asyncio.Queue[tuple[float, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        data = b"-"
        while data:
            try:
                data = await reader.read(_CHUNK)
            except OSError:
                data = b""
            await pieces.put((loop.time() + self._proxy.delay_s, data))

    def cut(self) -> None:
        """Reset both halves: no farewell is sent."""
        for writer in self._writers:
            transport = writer.transport
            sock = transport.get_extra_info("socket")
            if sock is not None and sock.family != socket.AF_UNIX:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
