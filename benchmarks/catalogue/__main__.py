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

"""Fill a catalogue, ask it everything, and print how fast it answered.

Run it with databases to spare beside it::

    tools/with_databases tox -e venv -- python -m benchmarks.catalogue

or give the URLs of databases whose tables may be emptied. Each is filled to
a hundredth, to a tenth and as a whole. The program fails when a question
takes longer than promised, reads a big table from end to end, or reads more
rows the more there are.
"""

import argparse
from collections.abc import Sequence
import dataclasses
import gc
import itertools
import json
import os
import pathlib
import sys
import tempfile
import time

import sqlalchemy as sa

from benchmarks.catalogue import load
from benchmarks.catalogue import plans
from benchmarks.catalogue import questions
from benchmarks.catalogue import world as worlds
from csbs import service
from csbs.db import migration
from csbs.db import session

#: milliseconds within which 95 of 100 answers have come
PROMISED = 50.0
_SHARES = (0.01, 0.1, 1.0)
#: seconds that one question may be put again and again
_BUDGET = 10.0
_LEAST_ROUNDS = 20


@dataclasses.dataclass(frozen=True)
class Answered:
    """How one question was answered at one size.

    :ivar median: milliseconds, as is ``p95``
    :ivar rows: that the database read for it
    :ivar scanned: big tables that it read from end to end
    """

    median: float
    p95: float
    rows: int
    statements: int
    scanned: tuple[str, ...]


#: Rows that a page of the large project may cost: a database may find them
#: among everybody's newest. More would be growth.
_AROUND = 2 * worlds.LARGE_SHARE * questions.PAGE

#: question, then share of the whole, then the answer
Results = dict[str, dict[float, Answered]]


def measure(
    db: session.Database, question: questions.Question, rounds: int
) -> Answered:
    """Put a question again and again, in every way that there is."""
    found = [plans.of(db, ask) for ask in question.asks]
    times: list[float] = []
    until = time.monotonic() + _BUDGET
    for number in itertools.count():
        if number >= max(rounds, len(question.asks)):
            break
        if number >= _LEAST_ROUNDS and time.monotonic() > until:
            break
        begun = time.perf_counter()
        question.asks[number % len(question.asks)]()
        times.append((time.perf_counter() - begun) * 1000)
    times.sort()
    return Answered(
        median=times[len(times) // 2],
        p95=times[len(times) * 95 // 100],
        rows=max(plan.rows for plan in found),
        statements=max(plan.statements for plan in found),
        scanned=tuple(sorted(set().union(*(one.scanned for one in found)))),
    )


def ask(
    url: str, world: worlds.World, share: float, rounds: int, results: Results
) -> None:
    """Put every question to a database that was filled with a world."""
    db = session.Database(url)
    try:
        asked = questions.Questions(db, world)
        # As csbs does it; the world is larger than what csbs is made of.
        service.spare_collector()
        for question in asked:
            shares = results.setdefault(question.name, {})
            shares[share] = measure(db, question, rounds)
    finally:
        gc.unfreeze()
        db.dispose()


def broken(results: Results) -> list[str]:
    """Return the promises that were not kept, in words."""
    words = []
    for name, shares in results.items():
        for share, answered in shares.items():
            if answered.p95 > PROMISED:
                words.append(
                    f'{name}: {answered.p95:.1f} ms at {share:.0%}, '
                    f'{PROMISED:.0f} are promised'
                )
        *before, last = (shares[share] for share in sorted(shares))
        if last.scanned:
            words.append(f'{name}: reads all of {", ".join(last.scanned)}')
        grew = before and last.rows > 2 * before[-1].rows + questions.PAGE
        if grew and last.rows > _AROUND:
            words.append(
                f'{name}: reads {before[-1].rows} rows of a part and '
                f'{last.rows} of the whole'
            )
    return words


def table(results: Results, shares: Sequence[float]) -> str:
    """Return the results as a table for people."""
    heads = [f'{share:.0%}' for share in shares]
    width = max(map(len, results))
    lines = [
        '95th percentile in ms, and rows read, by share of the whole;',
        'the growth of the one, and the median, of the whole',
        f'{"":{width}} '
        + ' '.join(f'{head:>7}' for head in heads)
        + '  growth  median '
        + ' '.join(f'{head:>7}' for head in heads)
        + '  by index',
    ]
    for name, answers in results.items():
        found = [answers[share] for share in shares]
        growth = found[-1].p95 / found[0].p95
        lines.append(
            f'{name:{width}} '
            + ' '.join(f'{one.p95:7.1f}' for one in found)
            + f' {growth:7.1f} {found[-1].median:7.1f} '
            + ' '.join(f'{one.rows:7}' for one in found)
            + ('  no' if found[-1].scanned else '  yes')
        )
    return '\n'.join(lines)


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.catalogue',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--database',
        metavar='URL',
        action='append',
        help='A database of MariaDB or PostgreSQL; ITS TABLES ARE EMPTIED. '
        'May be given more than once. Default: those named in the '
        'environment variable CSBS_TEST_DATABASES.',
    )
    for name, number in (
        ('policies', 100_000),
        ('backups', 1_000_000),
        ('items', 3_000_000),
    ):
        parser.add_argument(
            f'--{name}',
            type=int,
            default=number,
            metavar='N',
            help=f'About how many {name} there are. Default: {number}.',
        )
    parser.add_argument(
        '--rounds',
        type=int,
        default=200,
        metavar='N',
        help='How often each question is put. Default: 200.',
    )
    parser.add_argument(
        '--json',
        type=pathlib.Path,
        metavar='FILE',
        help='Where to write all figures to.',
    )
    parser.add_argument(
        '--keep',
        action='store_true',
        help='Leave the rows in the databases.',
    )
    return parser.parse_args(argv)


def _say(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)


def _run(
    urls: Sequence[str], sizes: worlds.Sizes, rounds: int
) -> dict[str, Results]:
    results: dict[str, Results] = {url: {} for url in urls}
    for share in _SHARES:
        world = worlds.World(sizes.part(share))
        with tempfile.TemporaryDirectory(prefix='csbs-catalogue.') as folder:
            text = load.Text(world, pathlib.Path(folder))
            _say(f'{share:.0%}:', text.rows)
            for url in urls:
                begun = time.monotonic()
                load.fill(sa.make_url(url), text)
                _say(f'{_name(url)} filled in', _seconds(begun))
        for url in urls:
            begun = time.monotonic()
            ask(url, world, share, rounds, results[url])
            _say(f'{_name(url)} asked in', _seconds(begun))
    return results


def _name(url: str) -> str:
    return sa.make_url(url).get_backend_name()


def _seconds(begun: float) -> str:
    return f'{time.monotonic() - begun:.0f} s'


def main(argv: Sequence[str]) -> int:
    """Measure and print; return the exit code."""
    arguments = _arguments(argv)
    urls = (
        arguments.database or os.environ.get('CSBS_TEST_DATABASES', '').split()
    )
    if not urls:
        _say('Give a --database, or run this with tools/with_databases.')
        return 2
    for url in urls:
        db = session.Database(url)
        migration.sync(db)
        db.dispose()
    sizes = worlds.Sizes(
        arguments.policies, arguments.backups, arguments.items
    )
    results = _run(urls, sizes, arguments.rounds)
    failures = 0
    for url, found in results.items():
        print(f'\n{load.version(sa.make_url(url))}')
        print(table(found, _SHARES))
        words = broken(found)
        failures += len(words)
        print('\n'.join(words) or 'Every promise was kept.')
    if arguments.json:
        arguments.json.write_text(_as_json(results))
    if not arguments.keep:
        for url in urls:
            load.empty(sa.make_url(url))
    return 1 if failures else 0


def _as_json(results: dict[str, Results]) -> str:
    return json.dumps(
        [
            {
                'database': _name(url),
                'question': name,
                'share': share,
                **dataclasses.asdict(answered),
            }
            for url, found in results.items()
            for name, shares in found.items()
            for share, answered in shares.items()
        ],
        indent=1,
    )


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
