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

"""The choice of native threads, which every process makes first.

oslo.service takes eventlet for granted when nobody chose, and oslo.messaging
makes it do so as soon as it is imported; csbs uses eventlet nowhere.
"""

import warnings

from oslo_service import backend


def choose() -> None:
    """Choose threads; to be called before anything else is imported."""
    # Libraries look whether eventlet is there, and it then warns of itself.
    warnings.filterwarnings('ignore', r'\s*Eventlet is deprecated')
    backend.init_backend(backend.BackendType.THREADING)
