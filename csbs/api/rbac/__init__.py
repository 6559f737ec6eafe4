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


"""Who may do what: the rules of all operations, and their enforcer.

Called rbac because a policy is something else here: a backup schedule.
"""

from oslo_config import cfg
from oslo_policy import policy

from csbs.api.rbac import backups
from csbs.api.rbac import base
from csbs.api.rbac import policies
from csbs.api.rbac import quotas
from csbs.api.rbac import servers
from csbs.api.rbac import services
from csbs.api.rbac import statistics
from csbs.api.rbac import tasks
from csbs.api.rbac import vaults


def list_rules() -> list[policy.RuleDefault]:
    """Return all rules; oslo.policy's tools call it."""
    return [
        *base.RULES,
        *vaults.RULES,
        *backups.RULES,
        *policies.RULES,
        *tasks.RULES,
        *servers.RULES,
        *quotas.RULES,
        *statistics.RULES,
        *services.RULES,
    ]


def make_enforcer(conf: cfg.ConfigOpts) -> policy.Enforcer:
    """Return an enforcer of the rules and of the operator's changes."""
    enforcer = policy.Enforcer(conf)
    enforcer.register_defaults(list_rules())
    return enforcer


def get_enforcer() -> policy.Enforcer:
    """Return an enforcer for oslo.policy's tools, which bring no options."""
    conf = cfg.ConfigOpts()
    conf([], project='csbs')
    return make_enforcer(conf)
