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

"""csbs' store beside restic, borg and Cinder's chunked driver, in one run.

``python -m benchmarks.engines [IMAGE]`` makes an image of this machine's
files (or takes one), backs it up and restores it with every engine that is
installed, in turn, and prints medians and ratios. Whatever is written lies
below ``$TMPDIR`` and is removed. csbs and Cinder are compared in Swift, too,
when ``OS_AUTH_URL`` and the like name an OpenStack.
"""

import argparse
from collections.abc import Iterator
import contextlib
import json
import pathlib
import shutil
import statistics
import sys
import tempfile
from typing import Any

from benchmarks import _engines
from benchmarks import _image

_STEPS = (
    'full',
    'rescan',
    'incremental_1',
    'incremental_10',
    'restore',
    'restore_in_place',
    'delete_one_of_ten',
)


class Round:
    """One engine's way through all steps, with a repository of its own."""

    def __init__(
        self, engine: _engines.Engine, folder: pathlib.Path, short: bool
    ) -> None:
        self._engine = engine
        self._folder = folder
        self._short = short
        self.figures: dict[str, _engines.Figures] = {}
        self.stored: dict[str, int] = {}

    def run(self, base: pathlib.Path) -> None:
        """Take every step; check that what is restored is what was.

        :raises Missing: when the engine fails
        """
        engine, figures = self._engine, self.figures
        one, ten = self._folder / 'one.img', self._folder / 'ten.img'
        figures['full'] = self._backup(base)
        self.stored['full'] = engine.stored()
        figures['rescan'] = self._backup(base)
        figures['incremental_1'] = self._backup(one)
        self.stored['incremental_1'] = engine.stored()
        figures['incremental_10'] = self._backup(ten)
        self.stored['incremental_10'] = engine.stored()
        target = engine.folder / 'target.img'
        figures['restore'] = engine.restore(0, target)
        self._check(base, target)
        # What is restored over is one percent away from what it becomes.
        figures['restore_in_place'] = engine.restore(2, target)
        self._check(one, target)
        target.unlink()
        if self._short:
            return
        for image in (base, one, ten, base, one, ten):
            engine.backup(image)
        figures['delete_one_of_ten'] = engine.delete(4)

    def _backup(self, image: pathlib.Path) -> _engines.Figures:
        # There is not memory for all images at once.
        _image.warm(image)
        return self._engine.backup(image)

    def _check(self, image: pathlib.Path, target: pathlib.Path) -> None:
        if not _image.same(image, target):
            raise _engines.Missing(f'it restored {image.name} wrongly')


def measure(
    given: argparse.Namespace, folder: pathlib.Path
) -> Iterator[dict[str, Any]]:
    """Run all engines in turn, several times; yield what is known so far."""
    if given.image:
        base = pathlib.Path(given.image)
    else:
        base = _image.make(folder, given.size << 20, given.data << 20)
    images = [base]
    for name, share in (('one', 0.01), ('ten', 0.1)):
        images.append(folder / f'{name}.img')
        _image.changed(base, images[-1], share, len(images))
    rounds: dict[str, list[Round]] = {}
    missing: dict[str, str] = {}
    for number in range(given.rounds):
        for kind in _engines.ENGINES:
            if kind.name in missing or kind.name in given.without:
                continue
            try:
                with contextlib.closing(kind(folder)) as engine:
                    # Ten backups a round are for the first one only.
                    short = given.short or number > 0
                    each = Round(engine, folder, short=short)
                    each.run(base)
                rounds.setdefault(kind.name, []).append(each)
            except _engines.Missing as error:
                missing[kind.name] = str(error)
                shutil.rmtree(folder / kind.name, ignore_errors=True)
            _say(f'round {number + 1}: {kind.name} done')
        yield {
            **summary(rounds),
            'about': {each.name: each.about for each in _engines.ENGINES},
            'missing': missing,
            'image': {'size_mib': given.size, 'data_mib': given.data},
        }


def summary(rounds: dict[str, list[Round]]) -> dict[str, Any]:
    """Return the medians of every engine, and the ratios to csbs."""
    engines = {name: _medians(each) for name, each in rounds.items()}
    ratios = {}
    for name, theirs in engines.items():
        reference = _engines.reference(name)
        if name == reference:
            continue
        ours = engines.get(reference, {})
        for step in _STEPS:
            if step in ours and step in theirs:
                ratios[f'{name}.{step}'] = round(
                    theirs[step]['seconds'] / ours[step]['seconds'], 2
                )
        if 'stored' in ours and 'stored' in theirs:
            ratios[f'{name}.stored'] = round(
                ours['stored']['full'] / theirs['stored']['full'], 3
            )
    return {'ratios': ratios, 'engines': engines}


def _medians(rounds: list[Round]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for step in _STEPS:
        figures = [
            each.figures[step] for each in rounds if step in each.figures
        ]
        if figures:
            found[step] = {
                'seconds': statistics.median(each.seconds for each in figures),
                'cpu': statistics.median(each.cpu for each in figures),
                'memory': max(each.memory for each in figures),
                'rounds': len(figures),
            }
    found['stored'] = rounds[0].stored
    return found


def table(result: dict[str, Any]) -> str:
    """Return the medians for people."""
    lines = [
        f'{"engine":<20}{"step":<20}{"seconds":>9}{"CPU s":>9}{"peak MiB":>10}'
    ]
    for name, steps in result['engines'].items():
        for step in _STEPS:
            if step in steps:
                row = steps[step]
                lines.append(
                    f'{name:<20}{step:<20}{row["seconds"]:>9.2f}'
                    f'{row["cpu"]:>9.2f}{row["memory"] >> 20:>10}'
                )
        stored = ', '.join(
            f'{step} {size >> 20} MiB'
            for step, size in steps['stored'].items()
        )
        lines.append(f'{name:<20}stored: {stored}')
    lines.append('')
    for name, ratio in result['ratios'].items():
        lines.append(f'{name:<32}{ratio:>8}')
    return '\n'.join(lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Compare the engines."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('image', nargs='?', help='of a whole number of GiB')
    parser.add_argument('--json', metavar='FILE')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--size', type=int, default=6144, help='MiB')
    parser.add_argument('--data', type=int, default=1024, help='MiB')
    parser.add_argument(
        '--short', action='store_true', help='never make ten backups'
    )
    parser.add_argument(
        '--without',
        action='append',
        default=[],
        choices=[each.name for each in _engines.ENGINES],
    )
    given = parser.parse_args()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix='csbs-engines-') as folder:
        for result in measure(given, pathlib.Path(folder)):
            if given.json:
                text = json.dumps(result, indent=2)
                pathlib.Path(given.json).write_text(text)
    print(table(result))
    for name, reason in result['missing'].items():
        print(f'{name} was left out: {reason}')


if __name__ == '__main__':
    main()
