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

"""What is asked of a keeper of keys."""

from typing import Protocol

KEY_BYTES = 32


class KeyManager(Protocol):
    """Keeps 256-bit keys under references."""

    def create(self, name: str) -> str:
        """Make a key.

        :param name: what people may know it by
        :returns: the reference to ask for it by
        :raises KeyMissing: when it could not be kept
        """
        ...

    def get(self, ref: str) -> bytes:
        """Return a key.

        :raises KeyUnavailable: when it can't be had now
        :raises KeyMissing: when there is none
        """
        ...

    def delete(self, ref: str) -> None:
        """Destroy a key; fine when it is gone.

        :raises KeyUnavailable: when it may still be there
        """
        ...

    def check(self) -> None:
        """Return if new keys can be made and had.

        :raises KeyMissing: when they can't, and why
        """
        ...
