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

"""Bringing the tables up to date, through alembic."""

import pathlib

from alembic import command
from alembic import config as alembic_config
from alembic import script
from alembic.runtime import migration as alembic_migration

from csbs.db.session import Database

_HERE = pathlib.Path(__file__).parent / 'migrations'


def sync(db: Database, revision: str = 'head') -> None:
    """Bring the tables to a revision; nothing happens when they are there."""
    with db.engine().begin() as connection:
        config = _config()
        config.attributes['connection'] = connection
        command.upgrade(config, revision)


def version(db: Database) -> str | None:
    """Return the revision the tables are at, None for an empty database."""
    with db.engine().connect() as connection:
        context = alembic_migration.MigrationContext.configure(connection)
        revision: str | None = context.get_current_revision()
        return revision


def newest() -> str | None:
    """Return the newest revision this release knows."""
    return script.ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> alembic_config.Config:
    config = alembic_config.Config()
    config.set_main_option('script_location', str(_HERE))
    return config
