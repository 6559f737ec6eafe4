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

"""The request context: who asks, and for which project.

Owns beside it whose doing it is what a thread does just now: the API and
the workers say so once, and need not hand it down to where it is written.
"""

from collections.abc import Iterator
import contextlib
import contextvars
import dataclasses
from typing import Any
from typing import Self

from oslo_context import context as oslo_context


class RequestContext(oslo_context.RequestContext):
    """oslo.context's, with a way to make one for the service itself."""

    @classmethod
    def for_service(cls, project_id: str | None = None, **kwargs: Any) -> Self:
        """Return a context for work that no user's request is behind.

        :param project_id: the project that the work is for
        """
        return cls(
            project_id=project_id, is_admin=True, overwrite=False, **kwargs
        )


@dataclasses.dataclass(frozen=True)
class Actor:
    """Whose doing something is; nobody's when csbs does it by itself."""

    user_id: str | None = None
    request_id: str | None = None


_actor: contextvars.ContextVar[Actor] = contextvars.ContextVar(
    'actor', default=Actor()
)


def current_actor() -> Actor:
    """Return whose doing it is what this thread does."""
    return _actor.get()


@contextlib.contextmanager
def acting(user_id: str | None, request_id: str | None) -> Iterator[None]:
    """Say whose doing it is what happens inside."""
    token = _actor.set(Actor(user_id, request_id))
    try:
        yield
    finally:
        _actor.reset(token)
