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

"""The Swift that engines are compared in.

Owns how it is found: by ``OS_AUTH_URL`` and what goes with it. Containers are
opened as csbs opens them, whoever filled them.
"""

from collections.abc import Iterator
import contextlib
import os
import tempfile

from csbs.store.objects import base

#: what a repository in Swift is called by on command lines
PREFIX = 'swift:'

_NAMES = 'csbs-'

_OPTIONS = (
    'auth_url',
    'username',
    'password',
    'project_name',
    'user_domain_name',
    'project_domain_name',
)


def missing() -> str | None:
    """Return what there is to do when no Swift is known."""
    lacking = [
        name
        for name in (f'OS_{each.upper()}' for each in _OPTIONS)
        if not os.environ.get(name)
    ]
    if lacking:
        return (
            f'{", ".join(lacking)} must be set, to those of an OpenStack with '
            'Swift'
        )
    return None


def full_name(container: str) -> str:
    """Return what a container of a benchmark is called in Swift."""
    return _NAMES + container


def container(name: str) -> base.ObjectStore:
    """Open a container.

    :raises StoreError: when Swift cannot be used
    """
    # What does not go through Swift has none of these in its memory.
    from csbs import conf as csbs_conf
    from csbs import service

    with _configuration() as path:
        conf = csbs_conf.load(default_config_files=[path])
        return service.ObjectStores(conf)(name)


def stored(name: str) -> int:
    """Return the bytes of the objects in a container."""
    return sum(size for _name, size in container(name).list(''))


def remove(name: str) -> None:
    """Remove a container with all that is in it."""
    objects = container(name)
    objects.delete_many([each for each, _size in objects.list('')])
    objects.drop()


@contextlib.contextmanager
def _configuration() -> Iterator[str]:
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as file:
        file.write('[store]\nbackend = swift\n[swift]\n')
        file.write(f'container_prefix = {_NAMES}\nauth_type = password\n')
        for name in _OPTIONS:
            file.write(f'{name} = {os.environ[f"OS_{name.upper()}"]}\n')
        file.flush()
        yield file.name
