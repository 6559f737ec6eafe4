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

"""Notifications of everything that happens, as others hear them.

The samples in the documentation are what is really sent; with
``CSBS_WRITE_SAMPLES`` in the environment they are written anew.
"""

import itertools
import json
import os
import pathlib
import signal
import sqlite3
from typing import Any

from csbs.db import outbox
from csbs.domain import events
from csbs.tests import fixtures as csbs_fixtures
from csbs.tests.functional import processes
from csbs.tests.functional import stack
from csbs.tests.functional import test_api_samples as samples

_FOLDER = (
    pathlib.Path(__file__).parents[3] / 'doc' / 'source' / 'admin' / 'samples'
)
_NOUNS = {kind.name: kind for kind in events.KINDS.values()}
_SCHEDULE = {'times': ['02:00'], 'every_days': 1}


def _id(message: dict[str, Any]) -> str:
    data = message['payload']['data']
    found: str = (data['after'] or data['before'])['id']
    return found


class NotificationsTest(stack.StackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_stack(
            oslo_messaging_notifications__driver=['messagingv2'],
            host='backup-1',
        )
        self.listener = self.useFixture(
            csbs_fixtures.ListenerFixture(self.stack.conf)
        )

    def live(self) -> None:
        """Go through everything that there is to be told of."""
        server = self.stack.make_server('web', {'vda': stack.pattern(65536)})
        vault_id = self.make_vault()
        vault = f'/v1/vaults/{vault_id}'
        self.call('POST', f'{vault}/extend', {'capacity_gb': 200}, expect=200)
        policy = self.call(
            'POST',
            '/v1/policies',
            {'policy': {'name': 'nightly', 'schedule': _SCHEDULE}},
            expect=201,
        )['policy']
        path = f'/v1/policies/{policy["id"]}'
        self.call('PUT', f'{path}/servers/{server.id}', expect=200)
        self.call('PUT', f'{vault}/policies/{policy["id"]}', expect=200)
        asked = self.call('POST', f'{path}/run', {}, expect=202)['policy']
        task = self.finish(asked)
        (backup_id,) = task['result']['backups'].values()
        self.finish(self.get_backup(backup_id))
        self.restore(backup_id)
        asked = self.call(
            'POST',
            f'/v1/backups/{backup_id}/servers',
            {'server': {'name': 'web-2', 'admin_pass': 'my-secret-word'}},
            expect=202,
        )['backup']
        self.finish(asked)
        self.delete_backup(backup_id)
        self.call('DELETE', path, expect=200)
        wanted = {'vault': {'lock_days': 7, 'tags': ['gold']}}
        self.call('PATCH', vault, wanted, expect=200)
        self.call('POST', f'{vault}/renew', {'months': 1}, expect=200)
        gone = self.call('DELETE', vault, expect=202)['vault']
        self.finish(gone)

    def hear(self) -> list[dict[str, Any]]:
        """Return all that was told of a life, once it was told to the end."""
        self.live()

        def over(heard: list[dict[str, Any]]) -> bool:
            types = {one['event_type'] for one in heard}
            return 'csbs.vault.deleted' in types

        self.listener.wait_for(over)
        stack.wait_for(
            lambda: outbox.waiting_since(self.stack.rt.db) is None,
            'the outbox to be emptied',
        )
        return list(self.listener.heard)

    def test_everything_is_told_without_a_gap(self) -> None:
        heard = self.hear()
        numbers = [one['payload']['data']['event_id'] for one in heard]
        self.assertEqual(len(heard), len(set(numbers)))
        self.assertEqual(
            {
                f'csbs.{noun}.{verb}'
                for noun in ('vault', 'backup', 'policy')
                for verb in ('created', 'changed', 'deleted')
            }
            | {'csbs.task.created', 'csbs.task.changed'},
            {one['event_type'] for one in heard},
        )
        for found in self.by_thing(heard).values():
            self.assert_chain(found)
        self.assert_runs_are_told(heard)
        text = json.dumps(heard)
        for secret in ('my-secret-word', 'sealed', 'key_ref', 'server_facts'):
            self.assertNotIn(secret, text)
        self.check_samples(heard)

    def assert_runs_are_told(self, heard: list[dict[str, Any]]) -> None:
        """See that a run and what is below it can be put together."""
        tasks = [
            found[-1]['payload']['data']['after']
            for found in self.by_thing(heard).values()
            if found[0]['event_type'] == 'csbs.task.created'
        ]
        (run,) = (one for one in tasks if one['kind'] == 'policy_run')
        (part,) = (one for one in tasks if one['parent_id'] == run['id'])
        self.assertEqual(
            ('succeeded', 'succeeded'), (run['status'], part['status'])
        )
        self.assertEqual(run['policy_id'], part['policy_id'])

    def by_thing(
        self, heard: list[dict[str, Any]]
    ) -> dict[str, list[dict[str, Any]]]:
        ordered = sorted(
            heard, key=lambda one: one['payload']['data']['sequence']
        )
        things: dict[str, list[dict[str, Any]]] = {}
        for one in ordered:
            things.setdefault(_id(one), []).append(one)
        return things

    def assert_chain(self, found: list[dict[str, Any]]) -> None:
        """See that each event begins where the one before it ended."""
        first = found[0]['payload']['data']
        self.assertIsNone(first['before'], found[0])
        kind = _NOUNS[found[0]['event_type'].split('.')[1]]
        loud = kind.sent - kind.quiet - {'size'}
        for one, two in itertools.pairwise(found):
            ended = one['payload']['data']['after']
            begins = two['payload']['data']['before']
            self.assertEqual(
                {name: ended[name] for name in loud},
                {name: begins[name] for name in loud},
            )
        for one in found:
            data = one['payload']['data']
            self.assertEqual('local', data['project_id'])
            # The scheduler's own doing is nobody's request.
            if data['user_id'] is not None:
                self.assertEqual('local', data['user_id'])
                self.assertRegex(data['request_id'], '^req-')

    def test_whose_doing_it_was(self) -> None:
        heard = self.hear()
        moves = [
            one['payload']['data']
            for one in heard
            if one['event_type'] == 'csbs.backup.changed'
        ]
        by = {
            data['after']['status']: data['user_id']
            for data in moves
            if data['before']['status'] != data['after']['status']
        }
        self.assertEqual(('local', 'local'), (by['restoring'], by['deleting']))
        tasks = {
            data['after']['id']: data['request_id']
            for data in (one['payload']['data'] for one in heard)
            if 'bytes_total' in (data['after'] or {})
        }
        for data in moves:
            self.assertEqual(
                tasks[data['after']['task_id']], data['request_id']
            )

    def check_samples(self, heard: list[dict[str, Any]]) -> None:
        """Hold the messages against those in the documentation."""
        best: dict[str, dict[str, Any]] = {}
        for one in heard:
            data = one['payload']['data']
            told = (data['after'] or data['before']).get('status')
            # The most telling one of each type.
            if one['event_type'] not in best or told == 'available':
                best[one['event_type']] = one
        for name, message in best.items():
            path = _FOLDER / f'{name}.json'
            if 'CSBS_WRITE_SAMPLES' in os.environ:
                path.parent.mkdir(exist_ok=True)
                path.write_text(json.dumps(message, indent=4) + '\n')
            committed = json.loads(path.read_text())
            self.assertEqual(
                samples.shape(committed), samples.shape(message), name
            )
        present = {path.stem for path in _FOLDER.iterdir()}
        self.assertEqual(set(best), present)


_CONFIG = """
[oslo_messaging_notifications]
driver = {driver}
transport_url = {bus}
"""


class KilledProcessTest(processes.ProcessTestCase):
    def start_standalone(self, driver: str, bus: str) -> Any:
        config = self.state / 'csbs.conf'
        config.write_text(_CONFIG.format(driver=driver, bus=bus))
        process = self.start(
            *('csbs-standalone', '--config-file', str(config)),
            *('--state-dir', str(self.state), '--port', str(self.port)),
        )
        self.wait_until_ready()
        return process

    def outbox(self) -> set[str]:
        """Return the ids of the events that were not sent yet."""
        with sqlite3.connect(self.state / 'csbs.sqlite') as database:
            rows = database.execute('SELECT event_id FROM events')
            return {event_id for (event_id,) in rows}

    def told(self) -> str:
        return (self.state / 'csbs.log').read_text()

    def test_no_event_is_lost_with_its_process(self) -> None:
        """The bus is away, and the process is killed; later both are back."""
        self.make_disks(vda=1 << 20)
        process = self.start_standalone(
            'messagingv2', 'rabbit://guest:guest@127.0.0.1:1/'
        )
        backup = self.start_backup(self.make_vault())
        self.assertEqual('succeeded', self.finish(backup)['status'])
        self.end(process, signal.SIGKILL)
        waiting = self.outbox()
        self.assertGreater(len(waiting), 5)
        # The time is up that the killed process had for sending them.
        with sqlite3.connect(self.state / 'csbs.sqlite') as database:
            database.execute("UPDATE events SET held_until = '2026-01-01'")

        self.start_standalone('log', 'fake:/')
        stack.wait_for(lambda: not self.outbox(), 'the outbox to be emptied')
        told = self.told()
        for event_id in waiting:
            self.assertIn(event_id, told)
        self.assertIn('"csbs.backup.created"', told)
