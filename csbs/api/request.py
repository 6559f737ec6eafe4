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


"""What a handler is given: a request without the web framework."""

from collections.abc import Mapping
import dataclasses
from typing import Any

from oslo_policy import policy

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import runtime
from csbs.api import versions


@dataclasses.dataclass(frozen=True)
class Request:
    """One request, already checked against the route's schemas.

    :ivar rt: the process' connections
    :ivar context: who asks, and for which project
    :ivar args: the variable parts of the path
    :ivar query: the query string, converted to the schema's types
    :ivar body: the body
    :ivar version: the microversion to answer in
    :ivar url: the address asked for, without the query string
    :ivar root_url: where the service is reached, ending in a slash
    """

    rt: runtime.Runtime
    enforcer: policy.Enforcer
    context: csbs_context.RequestContext
    version: versions.Version
    args: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    url: str
    root_url: str

    def can(self, rule: str, target: Mapping[str, Any] | None = None) -> None:
        """See that the caller may do something.

        :param target: what it is done to; without it the caller's project
        :raises Forbidden: when the rule says no
        """
        authorize(self.enforcer, self.context, rule, target)

    def readable(self, all_projects_rule: str) -> str | None:
        """Return the project that the caller may look at; None: every one.

        :param all_projects_rule: who may look at other projects' resources
        """
        try:
            self.can(all_projects_rule)
        except exception.Forbidden:
            return self.context.project_id
        return None


def authorize(
    enforcer: policy.Enforcer,
    context: csbs_context.RequestContext,
    rule: str,
    target: Mapping[str, Any] | None = None,
) -> None:
    """See that a context passes a rule; see :meth:`Request.can`."""
    if target is None:
        target = {'project_id': context.project_id}
    try:
        enforcer.authorize(rule, dict(target), context, do_raise=True)
    except (policy.PolicyNotAuthorized, policy.InvalidScope):
        raise exception.Forbidden(
            f'You are not allowed to do this (rule {rule}).'
        ) from None
