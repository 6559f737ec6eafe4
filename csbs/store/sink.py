# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Where blobs go: into packs, and these in the background to the store.

Owns a fixed number of pack buffers, and the threads that upload them. Data
and map blobs go to separate packs, so that maps can be read without data.
"""

import collections
import threading
import uuid

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import lookup
from csbs.store import names
from csbs.store import pack as store_pack
from csbs.store.objects import base


class PackSink:
    """Takes blobs from many threads; keeps memory within its buffers."""

    def __init__(self, core: store_core.Core, backup_id: uuid.UUID) -> None:
        """Be ready for the blobs of one backup; threads start when needed."""
        self._core = core
        self._backup_id = backup_id
        self._changed = threading.Condition()
        self._open: dict[codec.Kind, store_pack.PackBuffer] = {}
        self._free: list[store_pack.PackBuffer] = []
        self._full: collections.deque[store_pack.PackBuffer] = (
            collections.deque()
        )
        self._threads: list[threading.Thread] = []
        # One open pack of each kind, and one for every upload.
        self._spare = 2 + core.options.uploads
        self._busy = 0
        self._stopped = False
        self._failure: BaseException | None = None
        #: references of the packs that are stored
        self.stored: set[bytes] = set()
        #: the chunks that are in them
        self.hooks = lookup.Hooks()

    def add(
        self,
        kind: codec.Kind,
        blob_id: bytes,
        raw: int,
        flags: int,
        data: base.Buffer,
    ) -> codec.Entry:
        """Encrypt a blob into a pack and return where it will be found.

        It is stored once :meth:`flush` returned, and not before.

        :raises StoreError: when an earlier pack could not be stored
        """
        with self._changed:
            buffer = self._room(kind, len(data) + codec.TAG_SIZE)
            entry = buffer.reserve(kind, blob_id, raw, flags, len(data))
            if kind is codec.Kind.DATA:
                self.hooks.add([entry])
        try:
            buffer.fill(self._core.vault, kind, entry, data)
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            with self._changed:
                buffer.pending -= 1
                if buffer.closed and not buffer.pending:
                    self._queue(buffer)
        return entry

    def flush(self) -> None:
        """Return when everything added so far is stored.

        :raises StoreError: when it cannot be
        """
        with self._changed:
            for kind in list(self._open):
                self._close(kind)
            while self._full or self._busy:
                self._raise()
                self._changed.wait()
            self._raise()

    def stop(self) -> None:
        """End the threads; packs that were not stored yet are dropped."""
        with self._changed:
            self._stopped = True
            self._full.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._open.clear()
        self._free.clear()

    def _room(self, kind: codec.Kind, stored: int) -> store_pack.PackBuffer:
        """Return an open pack with room, waiting for memory if need be."""
        while True:
            self._raise()
            buffer = self._open.get(kind)
            if buffer:
                if buffer.fits(stored):
                    return buffer
                self._close(kind)
            if not self._free and self._spare:
                self._spare -= 1
                self._free.append(
                    store_pack.PackBuffer(self._core.options.pack_size)
                )
            if self._free:
                buffer = self._free.pop()
                reference = names.new_pack(self._backup_id)
                cipher = self._core.keys.pack_cipher(reference)
                buffer.begin(reference, cipher, stored)
                self._open[kind] = buffer
                return buffer
            self._changed.wait()

    def _close(self, kind: codec.Kind) -> None:
        buffer = self._open.pop(kind)
        buffer.closed = True
        if not buffer.pending:
            self._queue(buffer)

    def _queue(self, buffer: store_pack.PackBuffer) -> None:
        self._full.append(buffer)
        if len(self._threads) < self._core.options.uploads:
            thread = threading.Thread(
                target=self._upload, name='csbs-upload', daemon=True
            )
            self._threads.append(thread)
            thread.start()
        self._changed.notify_all()

    def _upload(self) -> None:
        while True:
            with self._changed:
                while not self._full and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    return
                buffer = self._full.popleft()
                self._busy += 1
            try:
                self._core.objects.put(
                    names.pack(buffer.reference),
                    buffer.seal(self._core.vault),
                )
            except BaseException as error:
                self._fail(error)
            with self._changed:
                self._busy -= 1
                self.stored.add(buffer.reference)
                self._free.append(buffer)
                self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def _raise(self) -> None:
        if self._failure:
            raise self._failure
        if self._stopped:
            raise errors.StoreUnwritable('the writer was stopped')
