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

"""What a backup of a volume counts against its vault.

The first backup of a volume in a vault counts the volume's whole size, used
or not. Every later one counts what differs from the one before it, and what
the volume has grown by since: the first is then never more than the later
ones would be without it, and deleting a backup never makes a vault fuller.
"""

from csbs.domain import model


def later(changed: int, before: int, size: int) -> int:
    """Return what a backup counts that has one before it.

    :param changed: bytes that differ, where both volumes have some
    :param before: size of the volume in the backup before
    :param size: of the volume in this one
    """
    return changed + max(0, size - before)


def expected(
    size: int, parent: model.Item | None, newest: model.Item | None
) -> int:
    """Return what is certain to count before anything is read.

    :param parent: the item that it will be compared with, if any
    :param newest: the volume's newest item in the vault, of whatever server
    """
    if parent is None or newest is None or parent.id != newest.id:
        # New in the vault, or known from another server: until the backup
        # is complete nobody can tell what differs.
        return size
    return later(0, parent.size, size)
