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

"""A new server from a backup, top to bottom: volumes first, then it.

Until the task ends, everything it made is in the ledger and goes away with
it; at its end server and volumes are the user's.
"""

from collections.abc import Mapping
from typing import Any
import uuid

from csbs.cloud import base as cloud_base
from csbs.db import backups as db_backups
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.protection import repositories
from csbs.protection import restore
from csbs.protection.run import Run


def work(run: Run) -> dict[str, Any]:
    """Make the volumes, write them, make the server."""
    rt, choices = run.rt, dict(run.task.params)
    backup = db_backups.get(rt.db, str(run.task.backup_id))
    vault = db_vaults.get(rt.db, backup.vault_id)
    if 'admin_pass' in run.secrets:
        choices['admin_pass'] = run.secrets['admin_pass']
    items = {uuid.UUID(item.id): item for item in backup.items}
    facts = backup.server_facts.get('volumes', {})
    made: list[model.Volume] = []
    with repositories.opened(rt, vault) as repo:
        manifest = repo.manifest(uuid.UUID(backup.id))
        run.step('writing')
        for stored in manifest.items:
            item = items[stored.id]
            spec = cloud_base.VolumeSpec(
                name=f'{choices["name"]}-{item.volume_name or item.device}',
                size=item.size,
                device=item.device,
                bootable=item.bootable,
                facts=facts.get(item.volume_id, {}),
                source_id=item.volume_id,
                availability_zone=choices.get('availability_zone'),
            )
            run.check()
            entry, volume = rt.cloud.create_volume(
                run.context, spec, run.ledger
            )
            run.kept.append(entry)
            made.append(volume)
            with rt.cloud.open_new_volume(volume, run.ledger) as writer:
                restore.write_item(run, repo, stored, writer, volume.id)
    run.check()
    run.step('creating_server')
    entry, server = rt.cloud.create_server(
        run.context,
        cloud_base.ServerSpec(
            name=choices['name'],
            facts={
                key: value
                for key, value in backup.server_facts.items()
                if key != 'volumes'
            },
            choices=choices,
        ),
        made,
        run.ledger,
    )
    run.kept.append(entry)
    rt.cloud.hand_over(run.kept)
    return {
        'server_id': server.id,
        'volume_ids': [volume.id for volume in made],
    }


def settle(
    run: Run, result: Mapping[str, Any], fault: model.Fault | None
) -> None:
    """Leave the backup as it is: it was only read."""
