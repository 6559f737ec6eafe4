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

"""What the lab does through the APIs of its services, one thing a call.

Runs with Debian's Python, which has keystoneauth1. Everything that is made
here is made only where it is missing.
"""

import pathlib
import sys

import api
import check
import clean
import compute
import identity
import image
from keystoneauth1 import exceptions
import volumes


def main(what: str, *arguments: str) -> None:
    """Do one thing.

    :param what: its name
    """
    match what:
        case 'identity':
            identity.make()
        case 'volumes':
            volumes.make()
        case 'compute':
            compute.make()
        case 'image':
            image.make(pathlib.Path(arguments[0]))
        case 'check':
            check.run()
        case 'clean':
            clean.run()
        case _:
            sys.exit(f'there is no {what} here')


if __name__ == '__main__':
    try:
        main(*sys.argv[1:])
    except (api.Refused, TimeoutError, exceptions.ClientException) as error:
        sys.exit(f'lab: {error}')
