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

"""Running the real ``openstack`` against the service on loopback.

Owns how it is run: in this process, which is fast, or as a program of its
own, which has a terminal.
"""

import io
import json
import logging
import os
import pathlib
import sys
from typing import Any

import fixtures
from openstackclient import shell
from osc_lib import clientmanager

import csbs
from csbs.cli import progress
from csbs.tests import base
from csbs.tests.unit.sdk import loopback

_SOURCE = pathlib.Path(csbs.__file__).parents[1]


class Result:
    """What a run of ``openstack`` left."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class OpenStackTestCase(base.TestCase):
    """``openstack`` that is set up to use an endpoint without a login."""

    def endpoint(self) -> str:
        """Start a service and return where it is."""
        raise NotImplementedError

    def setUp(self) -> None:
        super().setUp()
        self._endpoint = self.endpoint()
        self.home = self.useFixture(fixtures.TempDir()).path
        for name in [name for name in os.environ if name.startswith('OS_')]:
            self.useFixture(fixtures.EnvironmentVariable(name))
        for name, value in self.environment().items():
            self.useFixture(fixtures.EnvironmentVariable(name, value))
        self.useFixture(
            fixtures.MonkeyPatch('csbs.cli.progress.INTERVAL', 0.01)
        )
        self.assertEqual(0.01, progress.INTERVAL)

    def environment(self) -> dict[str, str]:
        """Return the environment that ``openstack`` gets."""
        return {
            'HOME': self.home,
            'XDG_CACHE_HOME': self.home,
            'OS_CLIENT_CONFIG_FILE': os.path.join(self.home, 'clouds.yaml'),
            'OS_AUTH_TYPE': 'none',
            'OS_ENDPOINT': self._endpoint,
            'COLUMNS': '200',
            'PYTHONPATH': os.pathsep.join([str(_SOURCE), *sys.path]),
        }

    def openstack(self, *words: str) -> Result:
        """Run ``openstack`` in this process.

        :param words: its arguments
        """
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        root.handlers[:] = []
        # osc-lib keeps a client for as long as the process lives
        vars(clientmanager.ClientManager)['csbs']._handle = None
        out, err = io.StringIO(), io.StringIO()
        with (
            fixtures.MonkeyPatch('sys.stdin', io.StringIO()),
            fixtures.MonkeyPatch('sys.stdout', out),
            fixtures.MonkeyPatch('sys.stderr', err),
        ):
            try:
                code = shell.OpenStackShell().run(list(words))
            except SystemExit as exit_:
                # argparse leaves so when it does not understand
                code = int(exit_.code or 0)
            finally:
                root.handlers[:] = handlers
                root.setLevel(level)
        return Result(code, out.getvalue(), err.getvalue())

    def run_json(self, *words: str) -> Any:
        """Run ``openstack ... -f json`` and return what it prints.

        :param words: its arguments
        """
        result = self.openstack(*words, '-f', 'json')
        self.assertEqual((0, ''), (result.code, result.err))
        return result.json


class CliTestCase(OpenStackTestCase):
    """``openstack`` and the service on loopback."""

    def endpoint(self) -> str:
        self.service = loopback.start(self.addCleanup)
        return self.service.url

    def bodies(self, method: str, end: str) -> list[Any]:
        """Return the bodies of requests that the service got.

        :param method: the HTTP method
        :param end: what the path ends with
        """
        return [
            body
            for verb, path, _query, _headers, body in self.service.requests
            if verb == method and path.endswith(end)
        ]

    def queries(self, path: str) -> list[dict[str, str]]:
        """Return the queries of lists that the service was asked for.

        :param path: the path
        """
        return [
            query
            for verb, asked, query, _headers, _body in self.service.requests
            if verb == 'GET' and asked == path
        ]
