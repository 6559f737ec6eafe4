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

"""The life of a vault: made with all it needs, locked, expired, given up."""

import datetime
import json
from typing import Any
from unittest import mock

from csbs.db import backups as db_backups
from csbs.db import paging
from csbs.db import vaults as db_vaults
from csbs.scheduler import expiry
from csbs.tests.functional import stack

_DAY = datetime.timedelta(days=1)
_SIZE = 65536
_SCHEDULE = {'times': ['02:00'], 'every_days': 1}
NOBODY = '00000000-0000-4000-8000-000000000000'


class VaultTestCase(stack.StackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_stack(start=False)
        self.server = self.stack.make_server(
            'web', {'vda': stack.pattern(_SIZE)}
        )

    def create(self, **fields: Any) -> dict[str, Any]:
        body = {'vault': {'capacity_gb': 100, **fields}}
        made: dict[str, Any] = self.call(
            'POST', '/v1/vaults', body, expect=201
        )['vault']
        return made

    def refuse(self, expect: int, **fields: Any) -> str:
        """See that nothing is made, and no key; return the error's code."""
        body = {'vault': {'capacity_gb': 100, **fields}}
        error = self.error('POST', '/v1/vaults', body, expect=expect)
        self.assertEqual(
            [], self.call('GET', '/v1/vaults', expect=200)['vaults']
        )
        keys = self.stack.state / 'keys.json'
        self.assertEqual(
            {}, json.loads(keys.read_text()) if keys.exists() else {}
        )
        code: str = error['code']
        return code

    def new_policy(self, **fields: Any) -> str:
        body = {'policy': {'schedule': _SCHEDULE, **fields}}
        made = self.call('POST', '/v1/policies', body, expect=201)['policy']
        policy_id: str = made['id']
        return policy_id

    def change(
        self, vault_id: str, expect: int = 200, **fields: Any
    ) -> dict[str, Any]:
        answer = self.call(
            'PATCH',
            f'/v1/vaults/{vault_id}',
            {'vault': fields},
            expect=expect,
        )
        return answer['vault'] if expect == 200 else answer['errors'][0]

    def back_up_now(self, vault_id: str, server_id: str = '') -> str:
        backup = self.start_backup(server_id or self.server.id, vault_id)
        self.stack.run_queue()
        self.finish(backup)
        backup_id: str = backup['id']
        return backup_id

    def age(self, backup_id: str, **since: float) -> None:
        """Let a backup have been made so long ago."""
        db_backups.update(
            self.stack.rt.db,
            backup_id,
            {'created_at': paging.utcnow() - datetime.timedelta(**since)},
        )

    def change_row(self, vault_id: str, **columns: Any) -> None:
        db_vaults.update(self.stack.rt.db, vault_id, columns)


class CreateTest(VaultTestCase):
    def test_with_policies(self) -> None:
        ids = [self.new_policy(enabled=True) for _ in range(2)]
        vault = self.create(policy_ids=ids)
        self.assertEqual(sorted(ids), sorted(vault['policy_ids']))
        self.assertEqual(vault, self.get_vault(vault['id']))
        for policy_id in ids:
            policy = self.call('GET', f'/v1/policies/{policy_id}', expect=200)
            self.assertEqual(vault['id'], policy['policy']['vault_id'])
            self.assertIsNotNone(policy['policy']['next_run_at'])

    def test_with_a_first_backup(self) -> None:
        vault = self.create(
            backup={
                'server_id': self.server.id,
                'name': 'first',
                'description': 'before all',
            }
        )
        self.stack.run_queue()
        task = self.finish(vault)
        backup = self.get_backup(task['backup_id'])
        self.assertEqual('available', backup['status'])
        self.assertEqual(
            ('first', 'before all', 'manual', vault['id']),
            tuple(
                backup[name]
                for name in ('name', 'description', 'trigger', 'vault_id')
            ),
        )

    def test_all_or_nothing(self) -> None:
        self.assertEqual(
            'csbs.policy.not_found', self.refuse(404, policy_ids=[NOBODY])
        )
        self.assertEqual(
            'csbs.server.not_found',
            self.refuse(404, backup={'server_id': NOBODY}),
        )
        with (self.stack.servers / 'web' / 'vda.raw').open('r+b') as disk:
            disk.truncate(101 << 30)
        self.assertEqual(
            'csbs.vault.capacity_exceeded',
            self.refuse(409, backup={'server_id': self.server.id}),
        )
        self.assertEqual(
            'csbs.request.invalid', self.refuse(400, backup={'name': 'x'})
        )

    def test_with_a_policy_of_another_vault(self) -> None:
        policy_id = self.new_policy()
        vault = self.create(policy_ids=[policy_id])
        body = {'vault': {'capacity_gb': 100, 'policy_ids': [policy_id]}}
        error = self.error('POST', '/v1/vaults', body, expect=409)
        self.assertEqual('csbs.policy.bound', error['code'])
        self.assertIn(vault['id'], error['detail'])
        found = self.call('GET', '/v1/vaults', expect=200)['vaults']
        self.assertEqual([vault['id']], [one['id'] for one in found])

    def test_tags(self) -> None:
        vault = self.create(tags=['生产', 'web'])
        other = self.create(tags=['web'])
        self.assertEqual(['web', '生产'], vault['tags'])

        def listed(query: str) -> set[str]:
            found = self.call('GET', f'/v1/vaults?tags={query}', expect=200)
            return {one['id'] for one in found['vaults']}

        self.assertEqual({vault['id'], other['id']}, listed('web'))
        self.assertEqual({vault['id']}, listed('web,生产'))
        self.assertEqual(set(), listed('we'))
        changed = self.change(vault['id'], tags=[])
        self.assertEqual([], changed['tags'])
        for wrong in (['a,b'], [''], [' a'], ['a', 'a'], ['x' * 61], 'web'):
            self.change(vault['id'], 400, tags=wrong)

    def test_what_is_saved(self) -> None:
        vault = self.create()
        self.assertEqual(
            (0, 0), (vault['protected_bytes'], vault['saved_percent'])
        )
        (self.stack.servers / 'web' / 'vda.raw').write_bytes(
            stack.pattern(_SIZE) + bytes(9 * _SIZE)
        )
        for _ in range(2):
            self.back_up_now(vault['id'])
        vault = self.get_vault(vault['id'])
        self.assertEqual(20 * _SIZE, vault['protected_bytes'])
        self.assertEqual(10 * _SIZE, vault['used_bytes'])
        self.assertLess(vault['stored_bytes'], 2 * _SIZE)
        self.assertEqual(
            100 - -(-vault['stored_bytes'] * 100 // (20 * _SIZE)),
            vault['saved_percent'],
        )


class LockTest(VaultTestCase):
    def test_it_gets_longer_only(self) -> None:
        vault_id = self.create()['id']
        self.assertIsNone(self.get_vault(vault_id)['lock_days'])
        self.assertEqual(7, self.change(vault_id, lock_days=7)['lock_days'])
        self.assertEqual(7, self.change(vault_id, lock_days=7)['lock_days'])
        error = self.change(vault_id, 409, lock_days=6, name='other')
        self.assertEqual('csbs.vault.lock_shortened', error['code'])
        self.assertIn('7 days', error['detail'])
        self.assertNotEqual('other', self.get_vault(vault_id)['name'])
        for wrong in (None, 0, 36501):
            self.change(vault_id, 400, lock_days=wrong)
        self.assertEqual(8, self.change(vault_id, lock_days=8)['lock_days'])

    def test_young_backups_stay(self) -> None:
        vault_id = self.create(lock_days=7)['id']
        backup_id = self.back_up_now(vault_id)
        path = f'/v1/backups/{backup_id}'
        error = self.error('DELETE', path, expect=409)
        self.assertEqual('csbs.backup.locked', error['code'])
        self.assertEqual('available', self.get_backup(backup_id)['status'])
        self.age(backup_id, days=7, minutes=-1)
        self.error('DELETE', path, expect=409)
        self.age(backup_id, days=7, minutes=1)
        # Longer for those that are there, too.
        self.change(vault_id, lock_days=8)
        self.error('DELETE', path, expect=409)
        self.age(backup_id, days=8, minutes=1)
        gone = self.call('DELETE', path, expect=202)['backup']
        self.stack.run_queue()
        self.finish(gone)

    def test_what_failed_is_not_locked(self) -> None:
        vault_id = self.create(lock_days=7)['id']
        with mock.patch('os.preadv', side_effect=OSError(5, 'broken')):
            backup = self.start_backup(self.server.id, vault_id)
            self.stack.run_queue()
        path = f'/v1/backups/{backup["id"]}'
        self.call('DELETE', path, expect=202)
        self.stack.run_queue()
        self.error('GET', path, expect=404)


class TermTest(VaultTestCase):
    def expire(self, vault_id: str) -> None:
        self.change_row(vault_id, expires_at=paging.utcnow())

    def test_an_expired_vault_takes_nothing_and_gives_all(self) -> None:
        vault_id = self.create()['id']
        kept, deleted = (self.back_up_now(vault_id) for _ in range(2))
        self.expire(vault_id)
        # The moment counts, not when the scheduler comes to mark it.
        body = {'backup': {'server_id': self.server.id, 'vault_id': vault_id}}
        for status in ('available', 'expired'):
            self.assertEqual(status, self.get_vault(vault_id)['status'])
            error = self.error('POST', '/v1/backups', body, expect=409)
            self.assertEqual('csbs.vault.expired', error['code'])
            path = f'/v1/vaults/{vault_id}/policies/{self.new_policy()}'
            self.error('PUT', path, expect=409)
            expiry.run(self.stack.rt, paging.utcnow())
        disk = self.stack.servers / 'web' / 'vda.raw'
        disk.write_bytes(bytes(_SIZE))
        asked = self.call(
            'POST',
            f'/v1/backups/{kept}/restore',
            {'restore': {}},
            expect=202,
        )['backup']
        self.stack.run_queue()
        self.finish(asked)
        self.assertEqual(stack.pattern(_SIZE), disk.read_bytes())
        gone = self.call('DELETE', f'/v1/backups/{deleted}', expect=202)
        self.stack.run_queue()
        self.finish(gone['backup'])
        listed = self.call('GET', '/v1/vaults?status=expired', expect=200)
        self.assertEqual([vault_id], [one['id'] for one in listed['vaults']])

    def test_renewal(self) -> None:
        vault_id = self.create()['id']
        before = paging.utcnow()
        self.change_row(vault_id, expires_at=before - 5 * _DAY)
        expiry.run(self.stack.rt, before)
        path = f'/v1/vaults/{vault_id}/renew'
        vault = self.call('POST', path, {'months': 2}, expect=200)['vault']
        # The term begins anew: the days without one are not to be paid.
        expires = datetime.datetime.fromisoformat(vault['expires_at'])
        self.assertLess(
            abs(expires - before - 60 * _DAY), datetime.timedelta(minutes=1)
        )
        self.assertEqual('available', vault['status'])
        self.assertEqual(3, vault['months'])
        self.back_up_now(vault_id)
        # One that has not expired is lengthened from its end.
        vault = self.call('POST', path, {'months': 1}, expect=200)['vault']
        longer = datetime.datetime.fromisoformat(vault['expires_at'])
        self.assertEqual(30 * _DAY, longer - expires)


class UnsubscribeTest(VaultTestCase):
    def give_up(self, vault_id: str, expect: int = 202) -> dict[str, Any]:
        answer = self.call('DELETE', f'/v1/vaults/{vault_id}', expect=expect)
        return answer['vault'] if expect == 202 else answer['errors'][0]

    def age_vault(self, vault_id: str, **since: float) -> None:
        created = paging.utcnow() - datetime.timedelta(**since)
        self.change_row(vault_id, created_at=created)

    def test_within_seven_days(self) -> None:
        vault_id = self.create()['id']
        self.age_vault(vault_id, days=7, minutes=1)
        error = self.give_up(vault_id, 409)
        self.assertEqual('csbs.vault.too_old', error['code'])
        self.age_vault(vault_id, days=7, minutes=-1)
        vault = self.give_up(vault_id)
        self.stack.run_queue()
        self.finish(vault)
        self.error('GET', f'/v1/vaults/{vault_id}', expect=404)

    def test_at_any_time_in_a_private_cloud(self) -> None:
        self.stack.conf.set_override('unsubscribe_days', 0, 'quota')
        vault_id = self.create()['id']
        self.age_vault(vault_id, days=700)
        self.give_up(vault_id)

    def test_not_while_it_holds_backups(self) -> None:
        vault_id = self.create()['id']
        backup_id = self.back_up_now(vault_id)
        error = self.give_up(vault_id, 409)
        self.assertEqual('csbs.vault.not_empty', error['code'])
        self.call('DELETE', f'/v1/backups/{backup_id}', expect=202)
        self.stack.run_queue()
        self.give_up(vault_id)

    def test_its_policies_stay(self) -> None:
        policy_id = self.new_policy(enabled=True)
        self.give_up(self.create(policy_ids=[policy_id])['id'])
        policy = self.call('GET', f'/v1/policies/{policy_id}', expect=200)[
            'policy'
        ]
        self.assertIsNone(policy['vault_id'])
        self.assertIsNone(policy['next_run_at'])


class TwoVaultsTest(VaultTestCase):
    def test_each_counts_by_itself(self) -> None:
        one, two = (self.create()['id'] for _ in range(2))
        self.back_up_now(one)
        (self.stack.servers / 'web' / 'vda.raw').write_bytes(bytes(_SIZE))
        self.back_up_now(two)
        self.back_up_now(one)
        self.assertEqual(2 * _SIZE, self.get_vault(one)['used_bytes'])
        self.assertEqual(_SIZE, self.get_vault(two)['used_bytes'])
        kinds = {
            backup['vault_id']: backup['kind']
            for backup in self.call('GET', '/v1/backups', expect=200)[
                'backups'
            ]
            if backup['parent_id'] is None
        }
        self.assertEqual({one: 'full', two: 'full'}, kinds)

    def test_what_a_volume_grew_by_counts_before_it_is_read(self) -> None:
        vault_id = self.create()['id']
        self.back_up_now(vault_id)
        disk = self.stack.servers / 'web' / 'vda.raw'
        body = {'backup': {'server_id': self.server.id, 'vault_id': vault_id}}
        with disk.open('r+b') as file:
            file.truncate((100 << 30) + 1)
        error = self.error('POST', '/v1/backups', body, expect=409)
        self.assertEqual('csbs.vault.capacity_exceeded', error['code'])
        with disk.open('r+b') as file:
            file.truncate(100 << 30)
        self.call('POST', '/v1/backups', body, expect=202)
        self.assertEqual(100, self.get_vault(vault_id)['used_gb'])
