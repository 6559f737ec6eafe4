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

"""The names of what users give no name to."""

from collections.abc import Callable
import secrets

#: how many names of a length are tried before a longer one is taken
_TRIES = 20


def make(prefix: str, taken: Callable[[str], bool]) -> str:
    """Return a name of a prefix and four random digits.

    There are more digits when so many names are in use that no free one was
    found.

    :param taken: whether a name is in use
    """
    for digits in (4, 6):
        for _ in range(_TRIES):
            name = f'{prefix}{secrets.randbelow(10**digits):0{digits}}'
            if not taken(name):
                return name
    return f'{prefix}{secrets.randbelow(10**12):012}'
