#!/bin/bash
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
# Usage: restore-test.sh SERVER

set -eu -o pipefail

server=$1
copy=restore-test-$(date +%s)

backup=$(openstack csbs backup list --server "$server" --status available \
    --sort created_at:desc --limit 1 -f json | jq -r '.[0].ID // empty')
if [ -z "$backup" ]; then
    echo "$server has no backup to restore." >&2
    exit 1
fi

made=$(openstack csbs server create --backup "$backup" --network none \
    --wait "$copy" -f json | jq -r .server_id)
openstack server delete --wait "$made"
