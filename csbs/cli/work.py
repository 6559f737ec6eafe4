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

"""Work that commands start: doing it to many, and waiting for it.

Owns ``--wait`` and what happens when one of several fails.
"""

import argparse
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Sequence
import logging
from typing import Any

from keystoneauth1 import exceptions as ksa_exceptions
from openstack import exceptions as sdk_exceptions
from osc_lib import exceptions
from osc_lib.command import command

from csbs.cli import common
from csbs.cli import progress

LOG = logging.getLogger(__name__)


def add_wait_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--wait`` and ``--timeout``.

    :param parser: the command's parser
    :param what: what is waited for, such as 'the backup is complete'
    """
    parser.add_argument(
        '--wait',
        action='store_true',
        help=(
            f'Wait until {what}, with a progress bar on a terminal; '
            f'exit with 1 if it failed. To interrupt the waiting does not '
            f'stop the work'
        ),
    )
    add_timeout_option(parser)


def add_timeout_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--timeout``.

    :param parser: the command's parser
    """
    parser.add_argument(
        '--timeout',
        metavar='<seconds>',
        type=common.positive,
        help='Stop waiting after that many seconds (default: never)',
    )


def each(
    nouns: str,
    words: Sequence[str],
    do: Callable[[str], str | None],
    wait: Callable[[str, Collection[str]], Any] | None = None,
    verb: str = 'delete',
) -> None:
    """Do something to each of several resources, whatever befalls the others.

    :param nouns: what they are, in the singular and the plural: ``vault
        vaults``
    :param words: their names or ids
    :param do: starts it for one and returns the task's id
    :param wait: waits for that task, and shows others beside it
    :param verb: what is done
    :raises osc_lib.exceptions.CommandError: when it failed for some
    """
    noun, plural = nouns.split()
    failed: set[str] = set()

    def attempt(word: str, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return function(*args)
        except (
            exceptions.CommandError,
            ksa_exceptions.ClientException,
            sdk_exceptions.SDKException,
        ) as e:
            failed.add(word)
            LOG.error("Failed to %s %s '%s': %s", verb, noun, word, e)
        return None

    # all are started before one is waited for
    started = {word: attempt(word, do, word) for word in words}
    if wait is not None:
        left = {word: task for word, task in started.items() if task}
        while left:
            word, task_id = next(iter(left.items()))
            del left[word]
            attempt(word, wait, task_id, list(left.values()))
    if failed:
        raise exceptions.CommandError(
            f'{len(failed)} of {len(started)} {plural} failed to {verb}.'
        )


def wait_for(
    cmd: command.Command,
    task_id: str | None,
    args: argparse.Namespace,
    beside: Collection[str] = (),
) -> Any:
    """Wait for the task that a command started.

    :param cmd: the command
    :param task_id: the task
    :param args: the command's arguments, with ``timeout``
    :param beside: other tasks to show
    :return: the task
    :raises osc_lib.exceptions.CommandError: when it failed
    """
    if task_id is None:
        raise exceptions.CommandError('The service has not named a task.')
    return progress.watch(
        cmd.app, common.client_of(cmd), task_id, args.timeout, beside
    )
