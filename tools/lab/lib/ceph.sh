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

# Ceph: a monitor, a manager, and one OSD on a sparse file.

run_ceph_mon() {
    launch ceph-mon ceph-mon -f -i a -c "$ETC/ceph/ceph.conf"
}

ready_ceph_mon() {
    timeout 5 ceph -s
}

run_ceph_mgr() {
    launch ceph-mgr ceph-mgr -f -i x -c "$ETC/ceph/ceph.conf"
}

run_ceph_osd() {
    launch ceph-osd ceph-osd -f -i 0 -c "$ETC/ceph/ceph.conf"
}

# All placement groups must be back too, or the first request waits.
ready_ceph_osd() {
    local groups
    timeout 5 ceph osd stat -f json | grep -q '"num_up_osds":1,' || return
    groups=$(timeout 5 ceph pg stat -f json) || return
    if [ -e "$LAB/done/ceph" ]; then
        grep -q '"num_pgs":[1-9]' <<< "$groups" || return
    fi
    ! grep -o '"name":"[^"]*"' <<< "$groups" | grep -qv '"active'
}

make_key() {
    ceph-authtool "$1" --create-keyring --gen-key -n "$2" \
        --cap mon 'allow *' "${@:3}"
}

setup_monitor() {
    local folder=$LAB/ceph admin=$ETC/ceph/ceph.client.admin.keyring
    rm -rf "$folder" "$admin"
    mkdir -p "$folder/mon.a"
    logged ceph-init make_key "$folder/mon.keyring" mon.
    logged ceph-init make_key "$admin" client.admin \
        --cap osd 'allow *' --cap mgr 'allow *'
    logged ceph-init ceph-authtool "$folder/mon.keyring" \
        --import-keyring "$admin"
    logged ceph-init monmaptool --create --clobber --fsid "$FSID" \
        --addv a '[v2:127.0.0.1:3300,v1:127.0.0.1:6789]' "$folder/monmap"
    logged ceph-init ceph-mon --mkfs -i a -c "$ETC/ceph/ceph.conf" \
        --monmap "$folder/monmap" --keyring "$folder/mon.keyring"
}

setup_osd() {
    local folder=$LAB/ceph/osd.0 uuid secret
    uuid=$(cat /proc/sys/kernel/random/uuid)
    secret=$(ceph-authtool --gen-print-key)
    mkdir -p "$folder"
    echo "{\"cephx_secret\": \"$secret\"}" > "$LAB/ceph/osd.new"
    logged ceph-init ceph osd new "$uuid" -i "$LAB/ceph/osd.new"
    logged ceph-init ceph-authtool --create-keyring "$folder/keyring" \
        --name osd.0 --add-key "$secret"
    logged ceph-init ceph-osd --mkfs -i 0 -c "$ETC/ceph/ceph.conf" \
        --osd-uuid "$uuid"
    touch "$folder/ready"
}

# The keyring of a client, with what it may do.
client_key() {
    local name=$1
    shift
    timeout 60 ceph auth get-or-create "client.$name" "$@" \
        > "$ETC/ceph/ceph.client.$name.keyring"
}

setup_pools() {
    local pool read
    for pool in volumes vms images; do
        logged ceph-init ceph osd pool create $pool 16 16
        logged ceph-init ceph osd pool application enable $pool rbd
        logged ceph-init ceph osd pool set $pool size 1 \
            --yes-i-really-mean-it
    done
    read="profile rbd-read-only"
    client_key cinder mon 'profile rbd' mgr 'profile rbd' osd "profile rbd \
pool=volumes, profile rbd pool=vms, profile rbd pool=images" || return
    # Deleting an image looks at its clones, which are volumes and servers.
    client_key glance mon 'profile rbd' mgr 'profile rbd' osd "profile rbd \
pool=images, $read pool=volumes, $read pool=vms"
}

up_ceph() {
    local name
    mkdir -p "$LAB/ceph" "$RUN/ceph"
    render ceph.conf "$ETC/ceph/ceph.conf" \
        -e "s|@OSD_BYTES@|$((OSD_GB << 30))|"
    claim /etc/ceph/ceph.conf "$ETC/ceph/ceph.conf"
    for name in admin cinder glance; do
        claim "/etc/ceph/ceph.client.$name.keyring" \
            "$ETC/ceph/ceph.client.$name.keyring"
    done
    [ -d "$LAB/ceph/mon.a/store.db" ] || setup_monitor
    serve ceph-mon
    if [ ! -e "$LAB/ceph/mgr.x/keyring" ]; then
        mkdir -p "$LAB/ceph/mgr.x"
        timeout 60 ceph auth get-or-create mgr.x mon 'allow profile mgr' \
            osd 'allow *' mds 'allow *' > "$LAB/ceph/mgr.x/keyring" \
            || die "the manager got no key" ceph-mon
    fi
    serve ceph-mgr
    [ -e "$LAB/ceph/osd.0/ready" ] || setup_osd
    serve ceph-osd
    once ceph setup_pools
    await ceph-osd
}
