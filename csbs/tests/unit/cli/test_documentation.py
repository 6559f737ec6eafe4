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

"""Every ``openstack csbs`` command in the documentation can be understood.

Whether the commands do what is said there is tested elsewhere; here it is
found out when one is renamed, or takes other options.
"""

import contextlib
import importlib.metadata
import io
import pathlib
import re
import shlex
from typing import Any
from unittest import mock

import csbs
from csbs.tests import base

_SOURCE = pathlib.Path(csbs.__file__).parents[1]
_COMMANDS = {
    tuple(entry.name.split('_')[1:]): entry
    for entry in importlib.metadata.entry_points(group='openstack.csbs.v1')
}
# What is typed after $, or begins a line of a script or of a literal block.
_LINE = re.compile(r'(?:[$|(]|^ *)\s*(xargs )?openstack csbs (.*)')
_ENDS = ('|', '&&', ';', '>', ')')


def printed(text: str) -> list[list[str]]:
    """Return the words of the commands that a page prints."""
    found = []
    lines = iter(text.splitlines())
    for line in lines:
        match = _LINE.search(line)
        if not match or '``' in line:
            continue
        command = match[2]
        while command.endswith('\\'):
            command = f'{command[:-1]} {next(lines).strip()}'
        command = re.sub(r'"\$\(.*?\)"', '2026-11-23', command)
        words = shlex.split(command.replace(')', ' ) ').replace(';', ' ; '))
        ends = [words.index(end) for end in _ENDS if end in words]
        words = words[: min(ends)] if ends else words
        found.append([*words, 'of-xargs'] if match[1] else words)
    return found


def parse(words: list[str]) -> Any:
    """Let the command that words stand for read its arguments."""
    for length in (3, 2):
        entry = _COMMANDS.get(tuple(words[:length]))
        if entry is not None:
            command = entry.load()(mock.Mock(), None)
            parser = command.get_parser(' '.join(words[:length]))
            return parser.parse_args(words[length:])
    raise LookupError(words)


class TestDocumentation(base.TestCase):
    def test_all_commands_that_are_printed(self) -> None:
        pages = [_SOURCE / 'README.rst']
        for pattern in ('*.rst', '*.sh'):
            pages += sorted((_SOURCE / 'doc' / 'source').rglob(pattern))
        seen = 0
        for page in pages:
            for words in printed(page.read_text()):
                said = io.StringIO()
                try:
                    with contextlib.redirect_stderr(said):
                        parse(words)
                except (LookupError, SystemExit):
                    self.fail(f'{page}: {words}: {said.getvalue()}')
                seen += 1
        self.assertGreater(seen, 40)

    def test_what_is_not_understood(self) -> None:
        self.assertRaises(LookupError, parse, ['vault', 'burn', 'v'])
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertRaises(
                SystemExit, parse, ['vault', 'show', '--loud', 'v']
            )
        self.assertEqual(
            [
                ['backup', 'list', '-c', 'ID'],
                ['backup', 'delete', '--wait', 'of-xargs'],
            ],
            printed(
                '   $ openstack csbs backup list \\\n       -c ID |\n'
                '       xargs openstack csbs backup delete --wait\n'
                'Say ``openstack csbs`` and more.\n'
            ),
        )
