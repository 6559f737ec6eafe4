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

"""Check the names of the release notes: ``short-slug-<16 hex digits>.yaml``.

reno tells notes apart by those digits and takes any other name without a
word, and then mixes notes up. ``reno new SLUG`` makes a right name.
"""

import pathlib
import re
import sys

NOTES = pathlib.Path('releasenotes') / 'notes'
NAME = re.compile(r'[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{16}\.yaml')


def wrong_names(root: pathlib.Path) -> list[str]:
    """Return the paths below ``root`` that are no release note's name."""
    return sorted(
        str(path.relative_to(root))
        for path in (root / NOTES).rglob('*')
        if path.is_file()
        and path.name != 'reno.cache'
        and not NAME.fullmatch(path.name)
    )


def main() -> int:
    """Name the wrong ones and return 1 if there are any."""
    wrong = wrong_names(pathlib.Path(__file__).resolve().parent.parent)
    for path in wrong:
        print(
            f'{path}: the name must be short-slug-<16 hex digits>.yaml; '
            'make notes with: tox -e venv -- reno new short-slug'
        )
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
