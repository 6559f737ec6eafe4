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

"""csbs' store as a command, for the benchmarks.

Owns the way from a command line to the library. Every command is a process of
its own and uses the store as shipped: defaults, encryption, durable writes.
"""

import argparse
from collections.abc import Iterator
import json
import pathlib
import time
import uuid

from benchmarks import _swift
from csbs.cloud import disk
from csbs.store import repository
from csbs.store.objects import base
from csbs.store.objects import file

VAULT = uuid.UUID('c5b50000-0000-4000-8000-0000000000fe')
KEY = bytes(range(32))


class Blind(disk.DiskReader):
    """A disk of which nobody knows where its holes are, nor what changed."""

    def extents(self) -> Iterator[tuple[int, int]]:
        yield 0, self.size


class Informed(disk.DiskReader):
    """A disk that knows what changed since any backup."""

    def __init__(self, fd: int, changed: list[tuple[int, int]]) -> None:
        super().__init__(fd)
        self._changed = changed

    def changes(self, since: uuid.UUID) -> list[tuple[int, int]]:
        return self._changed


def _open(path: str) -> repository.Repository:
    objects: base.ObjectStore
    if path.startswith(_swift.PREFIX):
        objects = _swift.container(path.removeprefix(_swift.PREFIX))
    else:
        folder = pathlib.Path(path)
        objects = file.FileStore(folder.parent, folder.name)
    return repository.Repository.create(objects, VAULT, KEY)


def backup(given: argparse.Namespace) -> None:
    """Write a backup of an image."""
    opened = _open(given.repository)
    parent = uuid.UUID(given.parent) if given.parent else None
    with disk.opened(pathlib.Path(given.image), 0) as descriptor:
        reader: disk.DiskReader = Blind(descriptor)
        if given.changes:
            changed = json.loads(pathlib.Path(given.changes).read_text())
            reader = Informed(descriptor, [tuple(each) for each in changed])
        begun = time.perf_counter()
        with opened.writer(uuid.UUID(given.backup), parent) as writer:
            item = None
            if parent:
                item = opened.manifest(parent).items[0].id
            writer.write_item(uuid.uuid4(), reader, item)
            writer.commit({})
    print(json.dumps({'inner': time.perf_counter() - begun}))


def restore(given: argparse.Namespace) -> None:
    """Write a backup onto an image, a new one when there is none."""
    opened = _open(given.repository)
    (item,) = opened.manifest(uuid.UUID(given.backup)).items
    image = pathlib.Path(given.image)
    if not image.exists():
        disk.create(image, item.size)
    with disk.writer(image) as writer:
        opened.restore_item(item, writer)


def delete(given: argparse.Namespace) -> None:
    """Delete a backup and free what only it needed."""
    opened = _open(given.repository)
    opened.forget(uuid.UUID(given.backup))
    opened.collect(exclusive=True)


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('command', choices=['backup', 'restore', 'delete'])
    parser.add_argument('repository')
    parser.add_argument('backup')
    parser.add_argument('--image')
    parser.add_argument('--parent')
    parser.add_argument('--changes')
    given = parser.parse_args()
    {'backup': backup, 'restore': restore, 'delete': delete}[given.command](
        given
    )


if __name__ == '__main__':
    main()
