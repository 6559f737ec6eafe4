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

# libvirt, with the key by which its guests open disks in Ceph.

run_virtlogd() {
    launch virtlogd virtlogd
}

ready_virtlogd() {
    [ -S /run/libvirt/virtlogd-sock ]
}

run_libvirtd() {
    launch libvirtd libvirtd -f "$ETC/libvirt/libvirtd.conf"
}

ready_libvirtd() {
    virsh_lab version
}

virsh_lab() {
    timeout 30 virsh -c qemu:///system "$@"
}

# The key in the file is base64 already, so it is not given as --plain: what
# is encoded twice ends as "error connecting: Invalid argument" in the guest.
set_ceph_secret() {
    render libvirt-secret.xml "$LAB/libvirt/secret.xml"
    logged libvirtd virsh_lab secret-define "$LAB/libvirt/secret.xml"
    (umask 077 && timeout 60 ceph auth get-key client.cinder \
        > "$LAB/libvirt/key") || die "Ceph gave no key for guests" ceph-mon
    logged libvirtd virsh_lab secret-set-value "$LIBVIRT_SECRET" \
        --file "$LAB/libvirt/key"
}

# Ends the guests that Nova made.
destroy_guests() {
    local guest
    alive libvirtd || return 0
    for guest in $(virsh_lab list --name | grep '^instance-'); do
        virsh_lab destroy "$guest" >> "$LOG/libvirtd.log" 2>&1
    done
}

# Removes what libvirt keeps of the lab; it must not run any more.
forget_guests() {
    rm -f /etc/libvirt/qemu/instance-*.xml \
        "/etc/libvirt/secrets/$LIBVIRT_SECRET".*
}

up_libvirt() {
    mkdir -p "$LAB/libvirt"
    render libvirtd.conf "$ETC/libvirt/libvirtd.conf"
    render libvirt-qemu.conf "$ETC/libvirt/qemu.conf"
    claim /etc/libvirt/qemu.conf "$ETC/libvirt/qemu.conf"
    serve virtlogd
    serve libvirtd "$ETC/libvirt/libvirtd.conf" "$ETC/libvirt/qemu.conf"
    set_ceph_secret
}
