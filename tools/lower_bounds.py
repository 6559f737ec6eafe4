#!/usr/bin/env python3
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

"""Print pip constraints that pin every dependency to its lower bound.

Owns the reading of the declared bounds: ``requirements.txt``,
``test-requirements.txt`` and the extras of ``pyproject.toml``. A dependency
without a lower bound is an error, because nobody could test it. Runs on the
standard library alone: nothing of csbs is installed when it is needed.

Usage: ``tools/lower_bounds.py [FILE]`` (standard output without FILE).
"""

from collections.abc import Iterator
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILES = ('requirements.txt', 'test-requirements.txt')

# A name, extras that do not matter here, a bound, an environment marker.
REQUIREMENT = re.compile(
    r'(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^]]*\])?'
    r'\s*>=\s*(?P<bound>[0-9][0-9A-Za-z.]*)'
    r'\s*(;\s*(?P<marker>.+))?'
)


def declared(root: pathlib.Path) -> Iterator[str]:
    """Yield every requirement line of the project, without comments."""
    for name in FILES:
        for line in (root / name).read_text(encoding='utf-8').splitlines():
            requirement = line.split('#')[0].strip()
            if requirement:
                yield requirement
    with open(root / 'pyproject.toml', 'rb') as stream:
        project = tomllib.load(stream)['project']
    for extra in project['optional-dependencies'].values():
        yield from extra


def constraints(requirements: Iterator[str]) -> list[str]:
    """Return sorted constraint lines, the highest bound of each name.

    :raises ValueError: when a requirement is not of the form ``name>=bound``
    """
    bounds: dict[str, tuple[tuple[int, ...], str]] = {}
    for requirement in requirements:
        match = REQUIREMENT.fullmatch(requirement)
        if match is None:
            raise ValueError(f'no plain lower bound in: {requirement}')
        name = re.sub('[-_.]+', '-', match['name']).lower()
        marker = f' ; {match["marker"]}' if match['marker'] else ''
        version = tuple(int(n) for n in re.findall('[0-9]+', match['bound']))
        line = f'{name}=={match["bound"]}{marker}'
        if name not in bounds or bounds[name][0] < version:
            bounds[name] = (version, line)
    return sorted(line for _, line in bounds.values())


def main(arguments: list[str]) -> int:
    """Write the constraints to the file named, or to standard output."""
    text = '\n'.join(constraints(declared(ROOT))) + '\n'
    if arguments:
        pathlib.Path(arguments[0]).write_text(text, encoding='utf-8')
    else:
        sys.stdout.write(text)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
