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

"""What the verbs, the API, the scheduler and the workers work with."""

from collections.abc import Callable
import dataclasses

from oslo_config import cfg

from csbs import keys
from csbs import rpc
from csbs.cloud import base as cloud_base
from csbs.db import session
from csbs.store.objects import base as objects_base


@dataclasses.dataclass(frozen=True)
class Runtime:
    """One process' connections; made once at its start.

    :ivar conf: the configuration
    :ivar db: the truth and the queue
    :ivar cloud: the cloud whose servers are protected
    :ivar keys: keeper of the vaults' keys
    :ivar doorbell: wakes the workers
    :ivar objects: opens the container of that name in the object store
    """

    conf: cfg.ConfigOpts
    db: session.Database
    cloud: cloud_base.Cloud
    keys: keys.KeyManager
    doorbell: rpc.Doorbell
    objects: Callable[[str], objects_base.ObjectStore]
