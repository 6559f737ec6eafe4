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

"""A client of every service: JSON in and out, as one user in one project."""

import os
import time
from typing import Any

from keystoneauth1 import identity
from keystoneauth1 import session

IDENTITY_URL = 'http://127.0.0.1:5000/v3'
PASSWORD = os.environ['LAB_PASSWORD']
VERSIONS = {
    'compute': 'compute 2.90',
    'volumev3': 'volume 3.68',
}


class Refused(Exception):
    """A service answered with an error."""


class Cloud:
    """All services, asked by one user."""

    def __init__(self, user: str, project: str) -> None:
        auth = identity.Password(
            IDENTITY_URL,
            username=user,
            password=PASSWORD,
            project_name=project,
            user_domain_name='Default',
            project_domain_name='Default',
        )
        self.session = session.Session(auth=auth, timeout=120)

    @property
    def project_id(self) -> str:
        """The project's id."""
        return str(self.session.get_project_id())

    def ask(
        self,
        service: str,
        method: str,
        path: str,
        body: Any = None,
        **options: Any,
    ) -> tuple[int, Any]:
        """Return the status and what was in the answer."""
        headers = options.pop('headers', {})
        if service in VERSIONS:
            headers['OpenStack-API-Version'] = VERSIONS[service]
        if service == 'identity':
            path = IDENTITY_URL + path
        else:
            options['endpoint_filter'] = {
                'service_type': service,
                'interface': 'public',
                'region_name': 'RegionOne',
            }
        if body is not None:
            options['json'] = body
        answer = self.session.request(
            path, method, headers=headers, raise_exc=False, **options
        )
        try:
            return answer.status_code, answer.json()
        except ValueError:
            return answer.status_code, answer.text

    def __call__(
        self,
        service: str,
        method: str,
        path: str,
        body: Any = None,
        **options: Any,
    ) -> Any:
        """Return what was in the answer.

        :raises Refused: when the answer is an error
        """
        status, answer = self.ask(service, method, path, body, **options)
        if status >= 400:
            raise Refused(f'{method} {path}: {status} {answer}')
        return answer

    def wait(
        self, service: str, path: str, wanted: str, seconds: float = 180
    ) -> None:
        """Wait until something has a status.

        :param wanted: the status, or 'gone'
        :raises Refused: when it gets into an error
        :raises TimeoutError: when it has none of these in time
        """
        deadline = time.monotonic() + seconds
        while True:
            code, answer = self.ask(service, 'GET', path)
            if code == 404 and wanted == 'gone':
                return
            found = next(iter(answer.values())) if code == 200 else {}
            status = found.get('status', f'unknown ({code})').lower()
            if status == wanted:
                return
            if 'error' in status and wanted != 'gone':
                raise Refused(f'{path}: {found.get("fault", found)}')
            if time.monotonic() > deadline:
                raise TimeoutError(f'{path} is {status}, not {wanted}')
            time.sleep(0.3)
