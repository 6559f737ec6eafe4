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

# Placement, which Nova keeps account of hosts in.

run_placement() {
    launch_wsgi placement 8778 /usr/bin/placement-api \
        --env OS_PLACEMENT_CONFIG_DIR="$ETC/placement"
}

ready_placement() {
    answers_http http://127.0.0.1:8778/
}

setup_placement() {
    service_database placement
    logged placement-init placement-manage \
        --config-file "$ETC/placement/placement.conf" db sync
}

up_placement() {
    render placement.conf "$ETC/placement/placement.conf"
    once placement setup_placement
    serve placement "$ETC/placement/placement.conf"
}
