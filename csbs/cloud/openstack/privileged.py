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

"""What needs more rights than the service has: a process of its own does it.

Owns the one thing csbs asks of it: that a block device which os-brick has
connected may be opened. os-brick has a privileged process for itself.
"""

import os

from oslo_privsep import capabilities
from oslo_privsep import priv_context

context = priv_context.PrivContext(
    'csbs',
    cfg_section='privsep_csbs',
    pypath=f'{__name__}.context',
    capabilities=[capabilities.CAP_CHOWN, capabilities.CAP_DAC_READ_SEARCH],
)


@context.entrypoint
def give(path: str, user_id: int) -> int:
    """Let a user own a device; return who owned it."""
    before = os.stat(path).st_uid
    os.chown(path, user_id, -1)
    return before
