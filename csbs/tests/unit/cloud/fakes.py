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


"""What the tests of clouds share: a ledger, servers, ways to look at them."""

import datetime
import hashlib
import itertools
import json
import os
import pathlib
from typing import Any
import uuid

import fixtures

from csbs import context as csbs_context
from csbs.cloud import local
from csbs.domain import model
from csbs.tests import base

MIB = 1 << 20


class FileLedger:
    """A ledger in a file, so that it outlives the process that wrote it."""

    task_id = 'task'

    def __init__(self, path: pathlib.Path, cloud: local.LocalCloud) -> None:
        self._path = path
        self._cloud = cloud

    def check(self) -> None:
        """Never stop."""

    def entries(self) -> list[model.Resource]:
        if not self._path.exists():
            return []
        return [
            model.Resource(
                id=row['id'],
                task_id='task',
                kind=model.ResourceKind(row['kind']),
                data=row['data'],
                created_at=datetime.datetime.now(datetime.UTC),
            )
            for row in json.loads(self._path.read_text())
        ]

    def _write(self, entries: list[model.Resource]) -> None:
        new = self._path.with_suffix('.new')
        new.write_text(
            json.dumps(
                [
                    {'id': e.id, 'kind': e.kind, 'data': dict(e.data)}
                    for e in entries
                ]
            )
        )
        new.replace(self._path)

    def plan(self, kind: model.ResourceKind, **data: Any) -> model.Resource:
        entry = model.Resource(
            id=str(uuid.uuid4()),
            task_id='task',
            kind=kind,
            data=json.loads(json.dumps(data)),
            created_at=datetime.datetime.now(datetime.UTC),
        )
        self._write([*self.entries(), entry])
        return entry

    def update(self, entry: model.Resource, **data: Any) -> model.Resource:
        entries = self.entries()
        for index, known in enumerate(entries):
            if known.id == entry.id:
                entries[index] = model.Resource(
                    id=known.id,
                    task_id=known.task_id,
                    kind=known.kind,
                    data={**known.data, **data},
                    created_at=known.created_at,
                )
                entry = entries[index]
        self._write(entries)
        return entry

    def discard(self, entry: model.Resource) -> None:
        context = csbs_context.RequestContext.for_service()
        self._cloud.discard(context, entry)
        self.keep(entry)

    def keep(self, entry: model.Resource) -> None:
        self._write([e for e in self.entries() if e.id != entry.id])

    def discard_all(self) -> None:
        for entry in reversed(self.entries()):
            self.discard(entry)


class LocalCloudTestCase(base.TestCase):
    """A local cloud in a directory of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.tmp = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.root = self.tmp / 'cloud'
        self.cloud = local.LocalCloud(self.root, freeze_timeout=5)
        self.ledger = FileLedger(self.tmp / 'ledger', self.cloud)
        self.context = csbs_context.RequestContext(
            project_id='local', is_admin=False, overwrite=False
        )

    def make_server(
        self,
        folder: str = 'web',
        disks: tuple[str, ...] = ('root.raw', 'data.img'),
        **description: Any,
    ) -> pathlib.Path:
        """Make a server's folder as a person would."""
        path = self.root / 'servers' / folder
        path.mkdir()
        for number, disk in enumerate(disks, 1):
            make_disk(path / disk, MIB, {4096 * number: b'%d' % number * 9})
        if description:
            (path / 'server.json').write_text(json.dumps(description))
        return path

    def get(self, name: str = 'web') -> model.Server:
        """Return a server by its name."""
        servers = self.cloud.servers(csbs_context.RequestContext.for_service())
        return next(server for server in servers if server.name == name)


def make_disk(path: pathlib.Path, size: int, data: dict[int, bytes]) -> None:
    """Make a sparse disk image with some data in it."""
    with open(path, 'wb') as disk:
        disk.truncate(size)
        for offset, content in data.items():
            disk.seek(offset)
            disk.write(content)


def tree(path: pathlib.Path) -> dict[str, str]:
    """Return the digests of all files under a directory but hidden ones."""
    found = {}
    for folder, folders, files in os.walk(path):
        for name in itertools.chain(folders, files):
            full = pathlib.Path(folder, name)
            if full.is_dir():
                found[str(full.relative_to(path))] = 'folder'
            elif not name.startswith('.'):
                found[str(full.relative_to(path))] = hashlib.sha256(
                    full.read_bytes()
                ).hexdigest()
    return found
