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

"""Count what really ran, from the record that stestr keeps of a run.

``tools/run_tests`` prints the answer as its last line. It runs in the
environment of the tests, with what runs them: stestr, subunit, testtools.

Usage: ``count_tests.py FOLDER``, where FOLDER holds ``.stestr``. Prints the
numbers of tests passed, failed and skipped; nothing, and exits 1, when there
is no record or no test in it.
"""

import collections
import io
import pathlib
import subprocess
import sys

import subunit
import testtools

PASSED = ('success', 'xfail')
FAILED = ('fail', 'uxsuccess')
SKIPPED = ('skip',)


def record(folder: pathlib.Path) -> bytes | None:
    """Return the last run as a subunit stream of version 2."""
    if not (folder / '.stestr').is_dir():
        return None
    command = [sys.executable, '-m', 'stestr', '--repo-url', str(folder)]
    # It exits 1 for a run with failures, and also when there was no run.
    answer = subprocess.run(
        [*command, 'last', '--subunit'], stdout=subprocess.PIPE, check=False
    )
    return answer.stdout or None


def count(stream: bytes) -> tuple[int, int, int]:
    """Return how many tests passed, failed and were skipped.

    A test that began and never ended (its process died) has failed.
    """
    states: collections.Counter[str] = collections.Counter()

    def note(test: dict[str, str]) -> None:
        states[test['status']] += 1

    result = testtools.StreamToDict(note)
    result.startTestRun()
    subunit.ByteStreamToStreamResult(
        io.BytesIO(stream), non_subunit_name='out'
    ).run(result)
    result.stopTestRun()
    passed = sum(states[state] for state in PASSED)
    skipped = sum(states[state] for state in SKIPPED)
    listed = states['exists']
    return passed, states.total() - listed - passed - skipped, skipped


def main(arguments: list[str]) -> int:
    """Print ``passed failed skipped`` of the last run."""
    stream = record(pathlib.Path(arguments[0]))
    if stream is None:
        return 1
    counts = count(stream)
    if not sum(counts):
        return 1
    print(*counts)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
