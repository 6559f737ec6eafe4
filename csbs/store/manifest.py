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

"""Manifests: what says that a backup is finished, and what it holds.

Owns the shape of a manifest and the checks of one that is read. It is the
last object of a backup to be written and the first to be removed. Where a
backup's maps are may change later, when packs are compacted: that is another
object, which counts for nothing without the manifest.
"""

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import datetime
from typing import Any
import uuid

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import maps
from csbs.store import names
from csbs.store import pipeline

FORMAT = 1

_PURPOSE = 'manifest'
_ROOTS = 'roots'


@dataclasses.dataclass(frozen=True)
class ManifestItem:
    """One volume in a backup.

    :ivar size: of the volume, in bytes
    :ivar root: the top node of its map, None when it is all zero
    :ivar depth: levels of nodes in its map
    :ivar backup_id: of the backup that it is a part of
    """

    id: uuid.UUID
    size: int
    root: codec.Entry | None
    depth: int
    backup_id: uuid.UUID


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A finished backup.

    :ivar parent: the backup it was compared with; restoring never needs it
    :ivar created_at: when it was finished
    :ivar meta: what the caller wanted kept, JSON-able
    """

    backup_id: uuid.UUID
    parent: uuid.UUID | None
    created_at: datetime.datetime
    meta: Mapping[str, Any]
    items: tuple[ManifestItem, ...]

    def item(self, item_id: uuid.UUID) -> ManifestItem | None:
        """Return the item of that id, or None."""
        for item in self.items:
            if item.id == item_id:
                return item
        return None


def write(core: store_core.Core, manifest: Manifest) -> None:
    """Write a manifest: from now on the backup exists."""
    document = {
        'format': FORMAT,
        'backup_id': str(manifest.backup_id),
        'parent': str(manifest.parent) if manifest.parent else None,
        'created_at': manifest.created_at.isoformat(),
        'meta': manifest.meta,
        'items': [
            {
                'id': str(item.id),
                'size': item.size,
                'root': encode_entry(item.root),
                'depth': item.depth,
            }
            for item in manifest.items
        ],
    }
    core.put_sealed(_PURPOSE, names.manifest(manifest.backup_id), document)


def read(core: store_core.Core, backup_id: uuid.UUID) -> Manifest:
    """Read a manifest.

    :raises BackupMissing: when there is none
    :raises Damaged: when it was altered
    :raises UnsupportedFormat: when a newer csbs wrote it
    """
    name = names.manifest(backup_id)
    # The manifest is deleted first, so who finds it after it found no roots
    # knows that there were none.
    roots = _read_roots(core, backup_id)
    try:
        document = core.get_sealed(_PURPOSE, name)
    except errors.ObjectMissing:
        raise errors.BackupMissing(backup_id) from None
    _check_format(name, document)
    try:
        found = _decode(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.Damaged(name, 'its fields are not right') from error
    if found.backup_id != backup_id:
        raise errors.Damaged(name, 'it belongs to another backup')
    return _moved(found, roots) if roots else found


def read_all(
    core: store_core.Core, backup_ids: Iterable[uuid.UUID]
) -> list[Manifest]:
    """Read the manifests that are there of some backups, in order of id.

    :raises Damaged: when one was altered
    """
    found: dict[uuid.UUID, Manifest] = {}

    def look(backup_id: uuid.UUID) -> None:
        try:
            found[backup_id] = read(core, backup_id)
        except errors.BackupMissing:
            pass

    ids = sorted(set(backup_ids))
    pipeline.in_threads(core.options.threads, ids, look)
    return [found[each] for each in ids if each in found]


def write_roots(core: store_core.Core, manifest: Manifest) -> None:
    """Say where the maps of a finished backup are from now on."""
    document = {
        'format': FORMAT,
        'created_at': manifest.created_at.isoformat(),
        'roots': {
            str(item.id): [encode_entry(item.root), item.depth]
            for item in manifest.items
        },
    }
    core.put_sealed(_ROOTS, names.roots(manifest.backup_id), document)


def _read_roots(
    core: store_core.Core, backup_id: uuid.UUID
) -> dict[str, Any] | None:
    """Return what says where the maps of a backup are now, if they moved."""
    name = names.roots(backup_id)
    try:
        document = core.get_sealed(_ROOTS, name)
    except errors.ObjectMissing:
        return None
    _check_format(name, document)
    return document


def _moved(found: Manifest, document: Mapping[str, Any]) -> Manifest:
    """Return a manifest with the places where its maps are now."""
    name = names.roots(found.backup_id)
    try:
        # One that outlived an earlier backup of this id is not meant.
        if document['created_at'] != found.created_at.isoformat():
            return found
        roots = document['roots']
        items = []
        for item in found.items:
            value, depth = roots[str(item.id)]
            if depth != item.depth:
                raise ValueError('another depth')
            items.append(dataclasses.replace(item, root=decode_entry(value)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.Damaged(name, 'its fields are not right') from error
    return dataclasses.replace(found, items=tuple(items))


def _check_format(name: str, document: Mapping[str, Any]) -> None:
    if document.get('format') != FORMAT:
        raise errors.UnsupportedFormat(
            f'{name} has format {document.get("format")}; '
            f'this csbs reads {FORMAT}'
        )


def _decode(document: Mapping[str, Any]) -> Manifest:
    parent = document['parent']
    backup_id = uuid.UUID(document['backup_id'])
    return Manifest(
        backup_id=backup_id,
        parent=uuid.UUID(parent) if parent else None,
        created_at=datetime.datetime.fromisoformat(document['created_at']),
        meta=document['meta'],
        items=tuple(
            _decode_item(item, backup_id) for item in document['items']
        ),
    )


def _decode_item(
    document: Mapping[str, Any], backup_id: uuid.UUID
) -> ManifestItem:
    item = ManifestItem(
        id=uuid.UUID(document['id']),
        size=int(document['size']),
        root=decode_entry(document['root']),
        depth=int(document['depth']),
        backup_id=backup_id,
    )
    if item.size < 0 or not 1 <= item.depth <= maps.MAX_DEPTH:
        raise ValueError('an item is impossible')
    return item


def encode_entry(entry: codec.Entry | None) -> list[Any] | None:
    """Return the reference to a map node as JSON can hold it."""
    if entry is None:
        return None
    return [entry.id.hex(), entry.pack.hex(), *entry[2:]]


def decode_entry(value: list[Any] | None) -> codec.Entry | None:
    """Return the reference that :meth:`encode_entry` made a value of.

    :raises ValueError: when no map node can have it
    """
    if value is None:
        return None
    blob_id, pack, offset, stored, raw, flags = value
    entry = codec.Entry(
        bytes.fromhex(blob_id),
        bytes.fromhex(pack),
        int(offset),
        int(stored),
        int(raw),
        int(flags),
    )
    maps.check_entry(entry, maps.MAX_NODE)
    return entry
