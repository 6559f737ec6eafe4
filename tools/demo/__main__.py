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


"""See csbs at work: a service, two servers, backups and restores.

Started by tools/quickstart, which finds the Python for it. Owns the order of
things and that everything is cleaned up, whatever happens.
"""

import argparse
from collections.abc import Iterator
import contextlib
import os
import pathlib
import shlex
import shutil
import signal
import sys
import tempfile
from types import FrameType

import environment
import screen
import service
import story

_CLONE = pathlib.Path(__file__).resolve().parents[2]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='tools/quickstart',
        description='Start csbs on this machine and show what it does: two '
        'servers with real disks are backed up, changed, spoilt and brought '
        'back, and every bit of them is compared. Nothing outside of the '
        'clone and one temporary folder is written, and nothing but '
        '127.0.0.1 is listened on.',
    )
    parser.add_argument(
        '--keep',
        action='store_true',
        help='leave the service running at the end, with all that was made',
    )
    parser.add_argument(
        '--state-dir',
        type=pathlib.Path,
        metavar='DIR',
        help='where everything is kept meanwhile; must be empty or not be '
        'there (default: a new temporary folder)',
    )
    parser.add_argument(
        '--port',
        type=int,
        metavar='N',
        help=f'the port to listen on (default: {service.PORT}, or a free one '
        'if that is in use)',
    )
    arguments = parser.parse_args()
    if arguments.port is not None and not 0 < arguments.port < 1 << 16:
        parser.error('--port must be between 1 and 65535')
    return arguments


def main() -> int:
    """Run the demonstration and return the exit code."""
    arguments = _arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with _state(arguments.state_dir) as state:
            _run(arguments, state)
    except KeyboardInterrupt:
        screen.error('Interrupted; everything is cleaned up.')
        return 130
    except screen.Problem as problem:
        screen.error(f'tools/quickstart: {problem}')
        return 1
    except OSError as problem:
        screen.error(f'tools/quickstart: {problem}')
        return 1
    return 0


class _Kept(Exception):
    """Leaves the state where it is."""


@contextlib.contextmanager
def _state(chosen: pathlib.Path | None) -> Iterator[pathlib.Path]:
    """Give a folder with enough room that is removed at the end."""
    if chosen is None:
        path = pathlib.Path(
            tempfile.mkdtemp(prefix='csbs-quickstart-', dir=_roomy())
        )
        made = True
    else:
        path = chosen.absolute()
        made = not path.exists()
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise screen.Problem(
                f'{path} is not empty; choose another --state-dir.'
            )
        if shutil.disk_usage(path).free < story.ROOM:
            if made:
                path.rmdir()
            raise screen.Problem(_too_little(path))
    try:
        yield path
    except _Kept:
        return
    except BaseException:
        _undisturbed()
        _remove(path, made)
        raise
    _remove(path, made)


def _remove(path: pathlib.Path, made: bool) -> None:
    for child in path.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child, ignore_errors=True)
        else:
            child.unlink(missing_ok=True)
    if made:
        path.rmdir()


def _roomy() -> str:
    # /var/tmp before /tmp, which is often kept in memory
    var_tmp = os.path.join(os.sep, 'var', 'tmp')
    chosen = os.environ.get('TMPDIR') or var_tmp
    places = [chosen, var_tmp, tempfile.gettempdir(), str(_CLONE)]
    usable = [
        place
        for place in dict.fromkeys(places)
        if os.path.isdir(place) and os.access(place, os.W_OK)
    ]
    for place in usable:
        if shutil.disk_usage(place).free >= story.ROOM:
            return place
    raise screen.Problem(_too_little(*usable))


def _too_little(*places: str | pathlib.Path) -> str:
    return (
        f'{screen.size(story.ROOM)} of free space are needed, and there is '
        f'less in {", ".join(map(str, places))}; choose a folder with '
        '--state-dir.'
    )


def _run(arguments: argparse.Namespace, state: pathlib.Path) -> None:
    screen.title('csbs, on this machine')
    programs = environment.prepare(_CLONE)
    tale = story.Story(state / 'cloud')
    tale.make_servers()
    csbs = service.Service(programs, state)
    try:
        screen.title('The service')
        with screen.waiting('Starting csbs-standalone'):
            csbs.start(arguments.port, tale.web.id)
        screen.good(f'csbs answers at {csbs.api.url}')
        try:
            tale.play(csbs.api)
        except OSError as error:
            raise screen.Problem(csbs.explain() or str(error)) from error
        _farewell(arguments, state, programs, csbs)
    except BaseException as error:
        if not isinstance(error, _Kept):
            _undisturbed()
            csbs.stop()
        raise
    csbs.stop()


def _farewell(
    arguments: argparse.Namespace,
    state: pathlib.Path,
    programs: pathlib.Path,
    csbs: service.Service,
) -> None:
    screen.say()
    if not arguments.keep:
        screen.good('all as it must be; the service and its data are removed')
        screen.say('  Keep them and play on with: tools/quickstart --keep')
        return
    screen.good(f'all as it must be; the service runs on as {csbs.pid}')
    screen.say()
    screen.say('  Play on with:')
    for line in (
        f'export PATH={shlex.quote(str(programs))}:$PATH',
        f'export OS_AUTH_TYPE=none OS_ENDPOINT={csbs.api.url}',
        'openstack csbs server list',
        'openstack csbs backup list',
        'openstack csbs backup create --vault quickstart --name mine --wait '
        'web',
        'openstack csbs task list',
    ):
        screen.say(f'    {line}')
    screen.say()
    screen.say(f'  Its data:  {state}')
    screen.say(f'  Servers:   {state / "cloud" / "servers"}')
    screen.say(f'  Log:       {csbs.log}')
    screen.say(f'  Stop it:   kill {csbs.pid}')
    screen.say(f'  Start it:  {shlex.join(csbs.command())}')
    raise _Kept


def _undisturbed() -> None:
    # a second Ctrl-C would leave behind what the first one cleans up
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == '__main__':
    sys.exit(main())
