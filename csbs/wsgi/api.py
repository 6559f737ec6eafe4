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


"""The WSGI entry point of the API, for uWSGI, gunicorn and mod_wsgi.

``csbs.wsgi.api:application``. Nothing is connected before the first request:
web servers import this in a parent process that then forks, and database
connections and threads do not survive that.
"""

from collections.abc import Iterable
import threading
from typing import TYPE_CHECKING

from csbs import service
from csbs.api import app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

_lock = threading.Lock()
_built: 'WSGIApplication | None' = None


def _application() -> 'WSGIApplication':
    global _built
    if _built is None:
        with _lock:
            if _built is None:
                _built = app.create_app(service.build_runtime())
                service.spare_collector()
    return _built


def application(
    environ: 'WSGIEnvironment', start_response: 'StartResponse'
) -> Iterable[bytes]:
    """Answer one request."""
    return _application()(environ, start_response)
