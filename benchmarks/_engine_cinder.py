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

"""Cinder's chunked backup driver as a command, for the benchmarks.

Owns the way from a command line to Cinder's posix driver, or its driver for
Swift, run by a Python that has Cinder. What Cinder keeps in its database lies
in a file here, and its notifications are dropped. Imports nothing of csbs.
"""

import argparse
import contextlib
import json
import os
import pathlib
import resource
import time
from typing import Any

# Services choose how threads work before anything else is imported.
with contextlib.suppress(ImportError):
    from cinder import monkey_patch

    monkey_patch.patch()

from cinder import context
from cinder import objects
from cinder.backup.drivers import posix
from cinder.backup.drivers import swift
from cinder.common import config
from cinder.volume import volume_utils

VOLUME = 'c5b50000-0000-4000-8000-0000000000fd'
GIB = 1 << 30


class Backup(dict[str, Any]):
    """What the driver wants of a row of Cinder's table of backups."""

    def __missing__(self, name: str) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def save(self) -> None:
        pass

    def refresh(self) -> None:
        pass

    @contextlib.contextmanager
    def as_read_deleted(self) -> Any:
        yield


class Database:
    """The one question that the driver asks."""

    def __init__(self, size: int) -> None:
        self._size = size

    def volume_get(self, _context: Any, _volume: str) -> dict[str, int]:
        return {'size': self._size}


def main() -> None:
    """Run one command and tell what it took, Cinder's imports aside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('command', choices=['backup', 'restore', 'delete'])
    parser.add_argument('repository')
    parser.add_argument('backup')
    parser.add_argument('--image')
    parser.add_argument('--parent')
    parser.add_argument('--algorithm', required=True)
    parser.add_argument('--container', help='of Swift, given by OS_*')
    given = parser.parse_args()
    conf = config.CONF
    conf([], project='cinder', default_config_files=[])
    conf.set_override('backup_compression_algorithm', given.algorithm)
    conf.set_override('backup_posix_path', given.repository)
    conf.set_override('backup_enable_progress_timer', False)
    folder = pathlib.Path(given.repository)
    folder.mkdir(exist_ok=True)
    rows = folder / 'rows.json'
    table = json.loads(rows.read_text()) if rows.exists() else {}
    objects.register_all()
    objects.Backup.get_by_id = lambda _context, key: Backup(table[key])
    volume_utils.notify_about_backup_usage = lambda *args, **kwargs: None
    driver = _driver(given.container)
    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.perf_counter()
    _run(driver, table, given)
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_SELF)
    rows.write_text(json.dumps(table))
    print(
        json.dumps(
            {
                'seconds': seconds,
                'cpu': after.ru_utime
                + after.ru_stime
                - before.ru_utime
                - before.ru_stime,
            }
        )
    )


def _driver(container: str | None) -> Any:
    admin = context.get_admin_context()
    if not container:
        return posix.PosixBackupDriver(admin)
    for name, value in (
        ('container', container),
        ('auth', 'single_user'),
        ('auth_version', '3'),
        ('auth_url', os.environ['OS_AUTH_URL']),
        ('user', os.environ['OS_USERNAME']),
        ('key', os.environ['OS_PASSWORD']),
        ('project', os.environ['OS_PROJECT_NAME']),
        ('user_domain', os.environ['OS_USER_DOMAIN_NAME']),
        ('project_domain', os.environ['OS_PROJECT_DOMAIN_NAME']),
        ('enable_progress_timer', False),
    ):
        config.CONF.set_override(f'backup_swift_{name}', value)
    driver = swift.SwiftBackupDriver(admin)
    driver.initialize()
    return driver


def _run(driver: Any, table: dict[str, Any], given: Any) -> None:
    if given.command == 'delete':
        driver.delete_backup(Backup(table.pop(given.backup)))
    elif given.command == 'backup':
        size = os.stat(given.image).st_size // GIB
        driver.db = Database(size)
        row = Backup(
            id=given.backup,
            volume_id=VOLUME,
            parent_id=given.parent,
            size=size,
            status='creating',
        )
        with open(given.image, 'rb') as volume:
            driver.backup(row, volume, backup_metadata=False)
        table[given.backup] = dict(row)
    else:
        row = Backup(table[given.backup], status='restoring')
        image = pathlib.Path(given.image)
        new = not image.exists()
        if new:
            image.touch()
            os.truncate(image, row.size * GIB)
        with image.open('rb+') as volume:
            driver.restore(row, VOLUME, volume, new)


if __name__ == '__main__':
    main()
