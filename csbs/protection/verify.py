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

"""Verification: reading what backups consist of, and comparing.

Changes no backup. The store itself remembers what was found damaged, so that
the next backup of the volume stores it anew.
"""

from collections.abc import Mapping
from typing import Any
import uuid

from csbs import exception
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.protection import repositories
from csbs.protection.run import Run
from csbs.store import verify as store_verify

#: how many problems the result of a task tells
_MOST = 100


def work(run: Run) -> dict[str, Any]:
    """Verify a backup, or all that are in the vault."""
    params = run.task.params
    backup_id = run.task.backup_id
    vault = db_vaults.get(run.rt.db, str(run.task.vault_id))
    run.step('verifying')
    with repositories.opened(run.rt, vault) as repo:
        report = repo.verify(
            uuid.UUID(backup_id) if backup_id else None,
            deep=params['mode'] == 'deep',
            percent=params['percent'],
            owner=uuid.UUID(run.task.id),
            begin=run.expect,
            progress=run.progress,
            check=run.check,
        )
    return _result(report, params)


def end(
    run: Run,
    status: model.TaskStatus,
    result: Mapping[str, Any],
    fault: model.Fault | None,
) -> model.TaskStatus:
    """Write the end down: damage that was found is a failure to be seen."""
    if status == model.TaskStatus.SUCCEEDED and result['problems']:
        status = model.TaskStatus.FAILED
        fault = exception.BackupsDamaged(
            problems=result['problem_count'],
            backups=len(result['damaged_backup_ids']),
            reason=result['problems'][0]['reason'],
        ).fault
    db_tasks.finish(run.rt.db, run.task.id, run.owner, status, fault, result)
    return status


def settle(
    run: Run, result: Mapping[str, Any], fault: model.Fault | None
) -> None:
    """Leave the backups as they are: they were only read."""


def _result(
    report: store_verify.VerifyReport, params: Mapping[str, Any]
) -> dict[str, Any]:
    hurt = {one for problem in report.problems for one in problem.backups}
    return {
        'mode': params['mode'],
        'percent': params['percent'],
        'backup_count': len(report.backups),
        'packs': report.packs,
        'chunks': report.chunks,
        'bytes': report.bytes,
        'problem_count': len(report.problems),
        'problems': [
            {
                'object': problem.name,
                'reason': problem.reason,
                'backup_ids': sorted(map(str, problem.backups)),
            }
            for problem in report.problems[:_MOST]
        ],
        'damaged_backup_ids': sorted(map(str, hurt)),
    }
