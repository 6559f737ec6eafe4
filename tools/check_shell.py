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

"""Check the style of every shell script of the repository with bashate.

Scripts are found by their first line, or by their place for the parts that
other scripts read in, so that a new one cannot be forgotten.
"""

from collections.abc import Iterator
import pathlib
import re
import subprocess
import sys

FOLDERS = ('.ci', 'tools', 'devstack')
SHEBANG = re.compile(rb'#!.*\b(ba)?sh\b')


def scripts(root: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield the shell scripts below ``root``, in order."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob('*')):
            if not path.is_file():
                continue
            with open(path, 'rb') as stream:
                first = stream.readline(200)
            sourced = folder == 'devstack' and path.suffix != '.rst'
            if SHEBANG.match(first) or (sourced and path.suffix != '.py'):
                yield path


def main() -> int:
    """Run ``bash -n`` and bashate and return their worst exit code."""
    root = pathlib.Path(__file__).resolve().parent.parent
    found = [str(path.relative_to(root)) for path in scripts(root)]
    worst = 0
    for command in (
        *(['bash', '-n', path] for path in found),
        # E006 (long lines) counts what cannot be broken, such as messages.
        [sys.executable, '-m', 'bashate.bashate', '-i', 'E006', *found],
    ):
        worst = max(worst, abs(subprocess.call(command, cwd=root)))
    return worst


if __name__ == '__main__':
    sys.exit(main())
