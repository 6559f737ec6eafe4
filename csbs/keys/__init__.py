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

"""The keys of vaults: made, fetched and destroyed here.

Owns nothing of what is encrypted with them. Destroying a vault's key
destroys the vault. No key is kept in memory here: whoever works on a vault
asks for its key anew and forgets it with the work.
"""

from oslo_config import cfg

from csbs.keys import base
from csbs.keys import castellan
from csbs.keys import file
from csbs.keys import sealed

__all__ = ['KeyManager', 'Keyring', 'from_conf', 'seal', 'unseal']

KeyManager = base.KeyManager
seal = sealed.seal
unseal = sealed.unseal


class Keyring:
    """All keys, each with the manager that keeps it.

    Its references tell who that is: what castellan keeps begins with
    ``castellan:``, what the key file keeps does not. So the manager of new
    keys can be changed at any time.
    """

    _PREFIX = 'castellan:'

    def __init__(
        self, in_file: KeyManager, in_castellan: KeyManager, *, new: str
    ) -> None:
        """Join two managers.

        :param new: who keeps new keys, ``file`` or ``castellan``
        """
        self._in_file = in_file
        self._in_castellan = in_castellan
        self._new = new

    def create(self, name: str) -> str:
        """Make a key with the manager of new ones."""
        if self._new == 'castellan':
            return self._PREFIX + self._in_castellan.create(name)
        return self._in_file.create(name)

    def get(self, ref: str) -> bytes:
        """Return a key."""
        manager, its_ref = self._keeper(ref)
        return manager.get(its_ref)

    def delete(self, ref: str) -> None:
        """Destroy a key; fine when it is gone."""
        manager, its_ref = self._keeper(ref)
        manager.delete(its_ref)

    def check(self) -> None:
        """Return if new keys can be made and had."""
        if self._new == 'castellan':
            self._in_castellan.check()
        else:
            self._in_file.check()

    def _keeper(self, ref: str) -> tuple[KeyManager, str]:
        if ref.startswith(self._PREFIX):
            return self._in_castellan, ref.removeprefix(self._PREFIX)
        return self._in_file, ref


def from_conf(conf: cfg.ConfigOpts) -> KeyManager:
    """Return the keys as the configuration says; connects to nothing yet."""
    return Keyring(
        file.KeyFile(conf.vault_keys.file),
        castellan.CastellanKeys(conf),
        new=conf.vault_keys.manager,
    )
