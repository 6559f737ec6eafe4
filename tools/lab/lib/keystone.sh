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

# Keystone, with the users, projects, roles and the catalogue of the lab.

run_keystone() {
    launch_wsgi keystone 5000 /usr/bin/keystone-wsgi-public --processes 2 \
        --env OS_KEYSTONE_CONFIG_DIR="$ETC/keystone"
}

ready_keystone() {
    answers_http http://127.0.0.1:5000/v3
}

keystone_manage() {
    logged keystone-init keystone-manage \
        --config-file "$ETC/keystone/keystone.conf" "$@"
}

setup_keystone() {
    local url=http://127.0.0.1:5000/v3
    service_database keystone
    keystone_manage db_sync
    keystone_manage fernet_setup --keystone-user root --keystone-group root
    keystone_manage credential_setup \
        --keystone-user root --keystone-group root
    keystone_manage bootstrap --bootstrap-password "$PASSWORD" \
        --bootstrap-region-id RegionOne --bootstrap-admin-url $url \
        --bootstrap-internal-url $url --bootstrap-public-url $url
}

up_keystone() {
    local lifetime
    mkdir -p "$LAB/keystone"
    lifetime=$(cat "$LAB/keystone/token-lifetime" 2>/dev/null)
    render keystone.conf "$ETC/keystone/keystone.conf" \
        -e "s|@TOKEN_LIFETIME@|${lifetime:-14400}|"
    once keystone setup_keystone
    serve keystone "$ETC/keystone/keystone.conf"
    cloud_objects identity
}
