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

"""Every pair of things that may happen to a vault at the same time.

The table of these pairs is in the page on the format. Each test is one cell:
two of these run at once, in threads or in processes, over and over, and
afterwards no backup that is there has lost a byte.
"""

from collections.abc import Callable
import concurrent.futures
import itertools
import multiprocessing
import os
import random
import shutil
import tempfile
from typing import ClassVar
import uuid

from csbs.tests import base
from csbs.tests.unit.store import deeds
from csbs.tests.unit.store import vaults

_NIGHTLY = os.environ.get('CSBS_HYPOTHESIS_PROFILE') == 'nightly'
_TURNS = 40 if _NIGHTLY else 4
_LIMIT = 600

#: a place where making things durable takes no time
_FAST = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None


class TestPairs(base.TestCase):
    pool: ClassVar[concurrent.futures.Executor | None] = None

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.pool = concurrent.futures.ProcessPoolExecutor(
            2, mp_context=multiprocessing.get_context('spawn')
        )

    @classmethod
    def tearDownClass(cls) -> None:
        if cls.pool:
            cls.pool.shutdown()
        super().tearDownClass()

    def run_pair(
        self, one: str, other: str, pool: concurrent.futures.Executor
    ) -> None:
        path = tempfile.mkdtemp(dir=_FAST)
        self.addCleanup(shutil.rmtree, path, True)
        vault_id = uuid.uuid4()
        vault = deeds.opened(path, vault_id)
        chosen = random.Random(one + other)
        for _turn in range(3):
            deeds.back_up(vault, chosen)
        # Something to collect, and to take out of packs.
        vault.forget(next(vault.backups()))
        running = [
            pool.submit(deeds.repeat, name, path, vault_id, seed, _TURNS)
            for seed, name in enumerate((one, other), chosen.getrandbits(32))
        ]
        for each in running:
            each.result(_LIMIT)
        for backup_id in vault.backups():
            deeds.check(vault, backup_id)
        deeds.verify(vault, chosen)
        for backup_id in list(vault.backups()):
            vault.forget(backup_id)
        vault.collect(grace=vaults.NOW, exclusive=True)
        left = vault._core.objects.list('')
        self.assertEqual(['vault'], [name for name, _size in left])


def _threads(one: str, other: str) -> Callable[[TestPairs], None]:
    def test(self: TestPairs) -> None:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            self.run_pair(one, other, pool)

    return test


def _processes(one: str, other: str) -> Callable[[TestPairs], None]:
    def test(self: TestPairs) -> None:
        assert self.pool
        self.run_pair(one, other, self.pool)

    return test


for _one, _other in itertools.combinations_with_replacement(deeds.DEEDS, 2):
    for _way in (_threads, _processes):
        setattr(
            TestPairs,
            f'test_{_one}_and_{_other}_in{_way.__name__}',
            _way(_one, _other),
        )
