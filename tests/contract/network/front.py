"""A front that ends TLS before a server, as the server and as the camera, so that the test knows the line's keys.

It changes nothing and keeps nothing: what the camera has got is read from what the line has carried (ledger.py).
"""

import asyncio
import contextlib
import ssl
import threading

from agent.app.identity import CERTIFICATE
from update_server.serving.listener import tls_context

PIECE_BYTES = 16 * 1024
SETTLE_S = 0.1
"""For the loop to close the sockets of what was given up."""
KEY = "identity/tls.key.pem"


class Front:
    """Listens on `address`; a context manager.

    Attributes:
        keys: the file of TLS secrets that it writes, in the format of NSS.
        state: the folder of the camera's state, once there is one: its certificate is shown to the server.
    """

    def __init__(self, listen, server, folder, name):
        """`server`: the harness's, which listens on its device port on this machine; `name`: what cameras call it."""
        self.keys = folder / "keys.txt"
        self.state = None
        self._server = server
        self._name = name
        self._ends = []
        self._ours = tls_context(server.folder / "pki", client_certificates=True)
        self._ours.keylog_filename = str(self.keys)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        starting = asyncio.start_server(self._serve, *listen, ssl=self._ours)
        self._listener = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        self.address = self._listener.sockets[0].getsockname()[:2]

    def close(self):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    async def _end(self):
        self._listener.close()
        mine = asyncio.all_tasks() - {asyncio.current_task()}
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)
        for end in self._ends:
            end.transport.abort()  # a peer that has gone never ends TLS politely
        await asyncio.sleep(SETTLE_S)

    async def _serve(self, from_camera, to_camera):
        context = self._server.context()
        if to_camera.get_extra_info("ssl_object").getpeercert(True):
            context.load_cert_chain(self.state / CERTIFICATE, self.state / KEY)
        self._ends.append(to_camera)
        try:
            from_server, to_server = await asyncio.open_connection(
                "127.0.0.1", self._server.device_port, ssl=context, server_hostname=self._name
            )
            self._ends.append(to_server)
            ways = [_carry(from_camera, to_server), _carry(from_server, to_camera)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            to_server.close()
        except OSError:
            pass  # the server is not there: the camera is told by the end of its connection
        finally:
            to_camera.close()


async def _carry(source, sink):
    with contextlib.suppress(OSError, ssl.SSLError):
        while (piece := await source.read(PIECE_BYTES)) and not sink.is_closing():
            sink.write(piece)
            await sink.drain()
