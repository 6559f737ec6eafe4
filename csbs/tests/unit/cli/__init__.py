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

"""Tests of the command line.

An installed csbs may be older than the tree that is tested. The commands are
made known to ``openstack`` here as this tree defines them, before any test
imports openstackclient, which looks for plugins once and for all.
"""

import importlib.metadata
import pathlib
import sys
import tempfile
import tomllib

import csbs

_DIRECTORIES: list[tempfile.TemporaryDirectory[str]] = []


def _ensure_plugin() -> None:
    source = pathlib.Path(csbs.__file__).parents[1]
    project = tomllib.loads((source / 'pyproject.toml').read_text())
    groups = project['project']['entry-points']
    known = {
        entry.name: entry.value
        for entry in importlib.metadata.entry_points(group='openstack.csbs.v1')
    }
    if known == groups['openstack.csbs.v1']:
        return
    directory = tempfile.TemporaryDirectory(prefix='csbs-plugin-')
    _DIRECTORIES.append(directory)
    info = pathlib.Path(directory.name) / 'csbs-0.dist-info'
    info.mkdir()
    info.joinpath('METADATA').write_text(
        'Metadata-Version: 2.1\nName: csbs\nVersion: 0\n'
    )
    lines = []
    for group, entries in groups.items():
        lines.append(f'[{group}]')
        lines += [f'{name} = {value}' for name, value in entries.items()]
    info.joinpath('entry_points.txt').write_text('\n'.join(lines))
    sys.path.insert(0, directory.name)


_ensure_plugin()
