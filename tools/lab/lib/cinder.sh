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

# Cinder with three back ends: Ceph as it comes, Ceph with consistent group
# snapshots, and block devices of this machine (see tools/lab/drivers).

run_cinder_api() {
    launch cinder-api cinder-api --config-file "$ETC/cinder/cinder.conf"
}

ready_cinder_api() {
    answers_http http://127.0.0.1:8776/
}

run_cinder_scheduler() {
    launch cinder-scheduler cinder-scheduler \
        --config-file "$ETC/cinder/cinder.conf"
}

run_cinder_volume() {
    launch cinder-volume env PYTHONPATH="$TOOLS/drivers" \
        cinder-volume --config-file "$ETC/cinder/cinder.conf"
}

setup_cinder() {
    service_database cinder
    logged cinder-init cinder-manage \
        --config-file "$ETC/cinder/cinder.conf" db sync
}

# Lets the kernel forget the devices of volumes that are still attached.
detach_loop_volumes() {
    local file device
    for file in "$LAB"/loop/volumes/*; do
        for device in $(losetup -n -O NAME -j "$file" 2>/dev/null); do
            losetup -d "$device"
        done
    done
}

up_cinder() {
    local conf=$ETC/cinder/cinder.conf
    mkdir -p "$LAB"/cinder/{lock,conversion,coord} "$LAB/loop/devices"
    # Only a file system that shares blocks copies a disk in no time, at one
    # instant.
    mount_disk "$LAB/loop/disk.img" "$LOOP_GB" "$LAB/loop/volumes"
    render cinder.conf "$conf"
    await rabbit
    once cinder setup_cinder
    serve cinder-scheduler "$conf"
    serve cinder-volume "$conf"
    serve cinder-api "$conf"
    cloud_objects volumes
}
