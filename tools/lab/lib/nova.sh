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

# Nova: real guests under QEMU without hardware help, their disks in Ceph.

run_nova_conductor() {
    launch nova-conductor nova-conductor --config-file "$ETC/nova/nova.conf"
}

ready_nova_conductor() {
    has_reported nova-conductor nova.services last_seen_up \
        "\`binary\` = 'nova-conductor'"
}

run_nova_scheduler() {
    launch nova-scheduler nova-scheduler --config-file "$ETC/nova/nova.conf"
}

run_nova_compute() {
    launch nova-compute nova-compute --config-file "$ETC/nova/nova.conf"
}

# When it starts, it gives up all servers that are being built.
ready_nova_compute() {
    has_reported nova-compute nova.services last_seen_up \
        "\`binary\` = 'nova-compute'"
}

run_nova_api() {
    launch nova-api nova-api --config-file "$ETC/nova/nova.conf"
}

ready_nova_api() {
    answers_http http://127.0.0.1:8774/
}

nova_manage() {
    nova-manage --config-file "$ETC/nova/nova.conf" "$@"
}

setup_nova() {
    local name url
    url=mysql+pymysql://lab:$PASSWORD@127.0.0.1/nova_cell0?charset=utf8
    for name in nova nova_api nova_cell0; do
        service_database $name
    done
    logged nova-init nova_manage api_db sync
    logged nova-init nova_manage cell_v2 map_cell0 \
        --database_connection "$url"
    logged nova-init nova_manage db sync
    logged nova-init nova_manage cell_v2 create_cell --name cell1
}

# Until its host is known, no server finds one. nova-scheduler may be the one
# that finds it.
find_host() {
    local deadline
    deadline=$((SECONDS + 120))
    until nova_manage cell_v2 list_hosts 2>>"$LOG/nova-init.log" \
            | grep -q '| *lab *|'; do
        [ $SECONDS -lt $deadline ] \
            || die "nova-compute does not register" nova-compute
        logged nova-init nova_manage cell_v2 discover_hosts
        sleep 1
    done
}

up_nova() {
    local name conf=$ETC/nova/nova.conf
    mkdir -p "$LAB"/nova/{instances,lock}
    render nova.conf "$conf"
    await rabbit
    once nova setup_nova
    for name in conductor scheduler api; do
        serve_later nova-$name "$conf"
    done
    await nova-api
}

# The part that runs guests: it waits ten seconds in vain when it does not
# find nova-conductor, so that is started long before.
up_compute() {
    await nova-conductor
    serve_later nova-compute "$ETC/nova/nova.conf"
    once nova-host find_host
    cloud_objects compute
}
