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


"""Tests of the programs in ``tools`` that tests and releases rest on."""

import importlib.util
import io
import pathlib
import re
import types

import fixtures
import subunit

from csbs.tests import base

ROOT = pathlib.Path(__file__).resolve().parents[3]


def load(name: str) -> types.ModuleType:
    """Return a program of ``tools`` as a module."""
    path = ROOT / 'tools' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class LowerBoundsTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.constraints = load('lower_bounds').constraints

    def test_highest_bound_of_each_name(self) -> None:
        self.assertEqual(
            [
                "backports-zstd==1.0.0 ; python_version < '3.14'",
                'oslo-service==4.10.0',
            ],
            self.constraints(
                iter(
                    [
                        'oslo.service[threading]>=4.9.0',
                        "backports.zstd>=1.0.0; python_version < '3.14'",
                        'Oslo_Service>=4.10.0',
                    ]
                )
            ),
        )

    def test_without_a_lower_bound(self) -> None:
        for line in ('flask', 'flask<4', 'flask>=3,<4', 'flask==3.1'):
            self.assertRaises(ValueError, self.constraints, iter([line]))

    def test_every_declared_bound_is_one(self) -> None:
        lines = self.constraints(load('lower_bounds').declared(ROOT))
        self.assertIn('openstacksdk', ' '.join(lines))


class CountTestsTest(base.TestCase):
    def count(self, *events: tuple[str, str]) -> tuple[int, int, int]:
        stream = io.BytesIO()
        writer = subunit.StreamResultToBytes(stream)
        for test_id, status in events:
            writer.status(test_id=test_id, test_status=status)
        return load('count_tests').count(stream.getvalue())

    def test_every_end_is_counted(self) -> None:
        self.assertEqual(
            (2, 2, 1),
            self.count(
                ('a', 'inprogress'),
                ('a', 'success'),
                ('b', 'fail'),
                ('c', 'skip'),
                ('d', 'xfail'),
                ('e', 'uxsuccess'),
            ),
        )

    def test_listed_is_not_run(self) -> None:
        self.assertEqual((0, 0, 0), self.count(('a', 'exists')))

    def test_began_and_never_ended(self) -> None:
        self.assertEqual((0, 1, 0), self.count(('a', 'inprogress')))

    def test_no_record(self) -> None:
        folder = self.useFixture(fixtures.TempDir()).path
        self.assertEqual(1, load('count_tests').main([folder]))


class ReleaseNotesTest(base.TestCase):
    def test_names(self) -> None:
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        notes = root / 'releasenotes' / 'notes'
        notes.mkdir(parents=True)
        right = 'a-note-0123456789abcdef.yaml'
        wrong = ['a-note.yaml', 'a-note-0123.yaml', 'x-0123456789abcdef.yml']
        for name in (right, *wrong):
            (notes / name).touch()
        self.assertEqual(
            sorted(f'releasenotes/notes/{name}' for name in wrong),
            load('check_releasenotes').wrong_names(root),
        )


class PinsTest(base.TestCase):
    def test_hooks_are_pinned_as_tox_pins(self) -> None:
        pin = re.compile(r'([a-z0-9-]+)==([0-9.]+)')
        hooks = pin.findall((ROOT / '.pre-commit-config.yaml').read_text())
        pinned = dict(pin.findall((ROOT / 'tox.ini').read_text()))
        self.assertTrue(hooks)
        for name, version in hooks:
            self.assertEqual(version, pinned.get(name), name)
