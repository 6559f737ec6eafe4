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

# What all parts of the lab share: its folders, its constants, how it speaks
# and how it gives up.

LAB=${LAB:-/opt/lab}
ETC=$LAB/etc
RUN=$LAB/run
LOG=$LAB/log

# The lab listens on the loopback interface alone: this protects nothing.
PASSWORD=labsecret

# Sizes of the sparse files that hold everything stored.
OSD_GB=${LAB_OSD_GB:-24}
SWIFT_GB=${LAB_SWIFT_GB:-30}
LOOP_GB=${LAB_LOOP_GB:-20}

FSID=0b5e3c2e-7e64-4b5e-9d3c-4c9a5b0f1a11
LIBVIRT_SECRET=457eb676-33da-42ec-9a8c-9293d545c337

say() {
    printf '%s lab: %s\n' "$(date +%T)" "$*" >&2
}

# Ends with 2: the command cannot be carried out here, and nothing was done.
refuse() {
    echo "lab: $*" >&2
    exit 2
}

# Ends with 1, with the end of a log of that name when there is one.
die() {
    local log=$LOG/${2:-}.log
    say "FAILED: $1"
    if [ -n "${2:-}" ] && [ -f "$log" ]; then
        say "see $log, which ends with:"
        tail -n 8 "$log" | cut -c1-400 | sed 's/^/    /' >&2
    fi
    exit 1
}

# Other Pythons, proxies and languages would change what the services do.
clean_environment() {
    export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
    export LC_ALL=C.UTF-8 HOME=/root
    export no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost
    export PYTHONDONTWRITEBYTECODE=1
    unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY PYTHONPATH \
        PYTHONHOME VIRTUAL_ENV PYENV_VERSION CEPH_ARGS "${!OS_@}"
    cd / || exit 1
}

# Runs a command whose output goes to a log; a failure ends the lab.
logged() {
    local log=$1
    shift
    "$@" >> "$LOG/$log.log" 2>&1 </dev/null || die "$1 failed" "$log"
}

# Runs a command once in the life of what is stored.
once() {
    local mark=$LAB/done/$1
    shift
    if [ ! -e "$mark" ]; then
        "$@" || die "$1 failed"
        touch "$mark"
    fi
}

# Fills in a template of etc/. A file that stays the same is not touched:
# newer than its service means that the service must be started again.
render() {
    local template=$TOOLS/etc/$1 target=$2
    shift 2
    local login="auth_type = password\\
auth_url = http://127.0.0.1:5000/v3\\
project_domain_name = Default\\
user_domain_name = Default\\
project_name = service\\
username = \\1\\
password = $PASSWORD\\
region_name = RegionOne"
    local authtoken="www_authenticate_uri = http://127.0.0.1:5000\\
memcached_servers = 127.0.0.1:11211\\
service_token_roles = service\\
service_token_roles_required = true\\
$login"
    mkdir -p "$(dirname "$target")"
    sed -e "s|^@authtoken \\(.*\\)@\$|$authtoken|" \
        -e "s|^@login \\(.*\\)@\$|$login|" \
        -e "s|@DATABASE@|mysql+pymysql://lab:$PASSWORD@127.0.0.1|" \
        -e "s|@RABBIT@|rabbit://lab:$PASSWORD@127.0.0.1:5672//|" \
        -e "s|@LAB@|$LAB|g" \
        -e "s|@PASSWORD@|$PASSWORD|g" \
        -e "s|@FSID@|$FSID|" \
        -e "s|@LIBVIRT_SECRET@|$LIBVIRT_SECRET|" \
        "$@" "$template" > "$target.new" \
        || die "$template could not be filled in"
    if cmp -s "$target.new" "$target"; then
        rm "$target.new"
    else
        mv "$target.new" "$target"
    fi
}

# Mounts an XFS that lies in a sparse file: it is made where there is none.
mount_disk() {
    local file=$1 gb=$2 folder=$3
    if mountpoint -q "$folder"; then
        return
    fi
    mkdir -p "$folder"
    if [ ! -e "$file" ]; then
        truncate -s "${gb}G" "$file.new"
        logged disks mkfs.xfs -q -f -m reflink=1 "$file.new"
        mv "$file.new" "$file"
    fi
    logged disks mount -o loop,noatime "$file" "$folder"
}

unmount_disk() {
    if mountpoint -q "$1"; then
        umount "$1" || die "$1 is in use and could not be unmounted"
    fi
}

# Runs a part of tools/lab/cloud, which talks to the services' APIs.
cloud() {
    LAB_PASSWORD=$PASSWORD /usr/bin/python3 "$TOOLS/cloud" "$@"
}

# Makes objects in the cloud, again when the code that makes them changed.
cloud_objects() {
    local what=$1 mark=$LAB/done/objects-$1 version
    version=$(cat "$TOOLS"/cloud/*.py | cksum)
    if [ "$(cat "$mark" 2>/dev/null)" != "$version" ]; then
        logged "objects-$what" cloud "$@"
        echo "$version" > "$mark"
    fi
}
