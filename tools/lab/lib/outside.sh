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

# The files outside the state folder that the lab puts links in place of,
# because their paths are fixed in the programs that read them. What was there
# is kept beside, with .lab-orig at its end of name, and put back by wipe.

OUTSIDE="/etc/ceph/ceph.conf
    /etc/ceph/ceph.client.admin.keyring
    /etc/ceph/ceph.client.cinder.keyring
    /etc/ceph/ceph.client.glance.keyring
    /etc/swift/swift.conf
    /etc/libvirt/qemu.conf
    /etc/openstack-dashboard/local_settings.d/_9999_lab.py"

# Whether a path is a link into this lab.
is_ours() {
    [ -L "$1" ] && [[ $(readlink "$1") == "$LAB"/* ]]
}

# Whether a file is as its package brought it.
is_pristine() {
    local sum
    sum=$(md5sum "$1" | cut -d' ' -f1)
    dpkg-query -W -f='${Conffiles}\n' 2>/dev/null | grep -q "^ $1 $sum\$"
}

# Fails when one of the files has been made by somebody for something else.
check_outside() {
    local path
    for path in $OUTSIDE; do
        if [ -e "$path" ] && ! is_ours "$path" \
                && [ ! -e "$path.lab-orig" ] && ! is_pristine "$path"; then
            refuse "$path belongs to something else than the lab;" \
                "use a machine of its own, or --force to replace it"
        fi
    done
}

# Puts a link to a file of the lab in place of one outside.
claim() {
    local path=$1 target=$2
    mkdir -p "$(dirname "$path")"
    if [ -e "$path" ] && ! is_ours "$path" && [ ! -e "$path.lab-orig" ]; then
        mv "$path" "$path.lab-orig"
    fi
    ln -sfn "$target" "$path"
}

# Puts everything outside back as it was.
release_outside() {
    local path
    # The last is from a time when the lab replaced it too.
    for path in $OUTSIDE /etc/barbican/barbican.conf; do
        if is_ours "$path"; then
            rm "$path"
        fi
        if [ -e "$path.lab-orig" ]; then
            mv -f "$path.lab-orig" "$path"
        fi
    done
}
