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

"""The benchmark of the catalogue works, on whatever database."""

import pathlib

import fixtures
import sqlalchemy as sa
import testtools

from benchmarks.catalogue import load
from benchmarks.catalogue import plans
from benchmarks.catalogue import questions
from benchmarks.catalogue import world as worlds
from csbs.db import session
from csbs.db import vaults

#: as small as it can be and still have everything
_SIZES = worlds.Sizes(policies=60, backups=1500, items=4500)


class CatalogueSuite(testtools.TestCase):
    """Mixed into a test case of one database, which it empties."""

    url: str | None
    db: session.Database

    def test_benchmark(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        world = worlds.World(_SIZES)
        text = load.Text(world, folder)
        assert self.url is not None
        load.fill(sa.make_url(self.url), text)
        for wanted in world.vaults[::7]:
            found = vaults.get(self.db, wanted.id)
            self.assertEqual(
                (wanted.used_bytes, wanted.protected_bytes, wanted.backups),
                (found.used_bytes, found.protected_bytes, found.backup_count),
            )
        asked = list(questions.Questions(self.db, world))
        self.assertGreater(len(asked), 60)
        for question in asked:
            plan = plans.of(self.db, question.asks[0])
            self.assertGreater(plan.statements, 0, question.name)
        load.empty(sa.make_url(self.url))
