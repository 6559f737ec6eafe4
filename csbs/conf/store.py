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

"""Options of the object store and of what is written to it."""

from oslo_config import cfg
from oslo_config import types

GROUP = cfg.OptGroup('store', title='Where backups are stored, and how')

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        'backend',
        default='file',
        help='The driver of the object store, a name from the entry points '
        'csbs.object_store: "file", or "swift" with the section [swift].',
    ),
    cfg.StrOpt(
        'path',
        default='$state_path/store',
        help='The folder of the object store "file". Every vault is a '
        'folder in it.',
    ),
    cfg.IntOpt(
        'threads',
        default=0,
        min=0,
        help='How many threads one task hashes, compresses and encrypts '
        'with. 0: as many as there are processors, at most 4.',
    ),
    cfg.Opt(
        'chunk_size',
        type=types.Integer(choices=[1 << power for power in range(16, 23)]),
        default=256 * 1024,
        help='Bytes of a chunk in new vaults. A vault keeps the chunk size '
        'it was made with.',
    ),
    cfg.IntOpt(
        'compression_level',
        default=2,
        min=1,
        max=19,
        help='The level of zstd. What is stored gets 2 percent smaller with '
        'level 3, and the compressor takes a fifth longer.',
    ),
    cfg.IntOpt(
        'bandwidth',
        default=0,
        min=0,
        help='Bytes a second that one task sends to and fetches from the '
        'object store at most. 0: no limit.',
    ),
    cfg.IntOpt(
        'memory',
        default=0,
        min=0,
        help='Bytes of memory that the buffers of one task may take, about. '
        'What does not fit is made smaller, down to about 100 MiB. 0: as '
        'the defaults are, about 300 MiB.',
    ),
    cfg.FloatOpt(
        'waste_share',
        default=0.15,
        min=0,
        max=1,
        help='The share of what packs hold that nobody needs any more at '
        'which a collection moves the rest to new packs.',
    ),
    cfg.IntOpt(
        'collect_grace',
        default=3600,
        min=0,
        help='Seconds that a pack without use stays condemned before it is '
        'deleted.',
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options."""
    conf.register_opts(OPTS, group=GROUP.name)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options by section."""
    return [(GROUP, OPTS)]
