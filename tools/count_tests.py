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

"""Count what really ran, from the streams that stestr keeps.

``tools/run_tests`` prints the answer as its last line. Only the standard
library and python-subunit are used; it runs in the environment of the tests.

Usage: ``count_tests.py REPOSITORY``, a folder of stestr. Prints the numbers
of tests passed, failed and skipped; nothing, and exits 1, when there is no
stream in it or no test in the stream.
"""

import collections
import pathlib
import sys

import subunit
import testtools

PASSED = ('success', 'xfail')
FAILED = ('fail', 'uxsuccess')
SKIPPED = ('skip',)


def newest(repository: pathlib.Path) -> pathlib.Path | None:
    """Return the stream of the last run; the runs are files 0, 1, 2 ..."""
    runs = (path for path in repository.glob('*') if path.name.isdigit())
    return max(runs, key=lambda path: int(path.name), default=None)


def count(stream: pathlib.Path) -> tuple[int, int, int]:
    """Return how many tests passed, failed and were skipped.

    A test that began and never ended (its process died) has failed.
    """
    states: collections.Counter[str] = collections.Counter()

    def note(test: dict[str, str]) -> None:
        states[test['status']] += 1

    result = testtools.StreamToDict(note)
    result.startTestRun()
    with open(stream, 'rb') as source:
        subunit.ByteStreamToStreamResult(source, non_subunit_name='out').run(
            result
        )
    result.stopTestRun()
    passed = sum(states[state] for state in PASSED)
    skipped = sum(states[state] for state in SKIPPED)
    listed = states['exists']
    return passed, states.total() - listed - passed - skipped, skipped


def main(arguments: list[str]) -> int:
    """Print ``passed failed skipped`` of the last run."""
    stream = newest(pathlib.Path(arguments[0]))
    if stream is None:
        return 1
    counts = count(stream)
    if not sum(counts):
        return 1
    print(*counts)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
