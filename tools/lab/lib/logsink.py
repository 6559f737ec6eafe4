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

"""Print what arrives at a socket as messages to a syslog.

Swift logs to a syslog and to nothing else.
"""

import pathlib
import socket
import sys


def main(path: pathlib.Path) -> None:
    """Serve the socket until the process is ended."""
    path.unlink(missing_ok=True)
    sink = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sink.bind(str(path))
    while True:
        message = sink.recv(65536).rstrip(b'\0\n')
        # In front is the priority, as in '<134>'.
        text = message.split(b'>', 1)[-1].decode('utf-8', 'replace')
        print(text, flush=True)


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]))
