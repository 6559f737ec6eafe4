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

# What the machine must be, and what is installed on it.

PACKAGES="mariadb-server rabbitmq-server memcached keystone
    ceph-mon ceph-mgr ceph-osd ceph-common python3-rbd python3-rados
    glance-api glance-common placement-api
    cinder-api cinder-scheduler cinder-volume
    swift swift-proxy swift-account swift-container swift-object
    nova-api nova-conductor nova-scheduler nova-compute
    neutron-server neutron-linuxbridge-agent neutron-dhcp-agent
    libvirt-daemon libvirt-daemon-driver-qemu
    libvirt-daemon-driver-storage-rbd libvirt-clients python3-libvirt
    qemu-system-x86 qemu-utils qemu-block-extra
    barbican-api openstack-dashboard
    uwsgi-plugin-python3 python3-openstackclient python3-pymysql
    python3-memcache
    busybox-static extlinux syslinux-common cpio e2fsprogs fdisk xfsprogs
    curl iproute2 kmod procps"

# What each service listens on, as far as another program could have it.
PORTS="mysql:3306 rabbit:5672 epmd:4369 memcached:11211 keystone:5000
    ceph-mon:6789 glance-api:9292 placement:8778 cinder-api:8776
    swift-proxy:8080 swift-object:6200 swift-container:6201
    swift-account:6202 neutron-server:9696 nova-api:8774 barbican:9311
    horizon:8000"

# Whether this process has a capability, by its number.
capable() {
    local set
    set=$(sed -n 's/^CapEff:\t//p' /proc/self/status)
    return $((~(0x$set >> $1) & 1))
}

# The least that every command needs; nothing is touched before it.
check_machine() {
    local release
    release=$(. /etc/os-release 2>/dev/null && echo "${ID:-} ${VERSION_ID:-}")
    [ "$release" = "debian 12" ] \
        || refuse "this needs Debian 12, and here is ${release:-no Debian}"
    [ "$(uname -m)" = x86_64 ] \
        || refuse "this needs a machine of the architecture amd64"
    [ "$(id -u)" -eq 0 ] || refuse "this needs to run as root"
}

# What is needed beyond, before the first package is installed.
check_resources() {
    local mib free
    # CAP_NET_ADMIN and CAP_SYS_ADMIN: bridges, and mounting.
    capable 12 && capable 21 \
        || refuse "this container may not make bridges or mount;" \
            "start it privileged"
    [ -e /dev/loop-control ] && [ -e /dev/net/tun ] \
        || refuse "/dev/loop-control and /dev/net/tun are needed"
    mib=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
    [ "$mib" -ge 5600 ] \
        || refuse "this needs 6 GiB of memory, and here are $mib MiB"
    free=$(($(df --output=avail -k "$(nearest_folder "$LAB")" \
        | tail -n 1) / 1048576))
    [ "$free" -ge 10 ] \
        || refuse "this needs 10 GiB of free disk for $LAB," \
            "and here are $free GiB"
}

# The first folder above a path that exists.
nearest_folder() {
    local path=$1
    until [ -d "$path" ]; do
        path=$(dirname "$path")
    done
    echo "$path"
}

# Fails when something else listens where one of the services will.
check_ports() {
    local entry
    for entry in $PORTS; do
        if ! alive "${entry%:*}" && answers_port "${entry#*:}" 2>/dev/null
        then
            refuse "port ${entry#*:}, which ${entry%:*} needs, is taken by" \
                "a program that is not this lab's"
        fi
    done
}

# Fails when programs run that would share guests or disks with the lab's.
check_daemons() {
    local stat name session
    for stat in /proc/[0-9]*/stat; do
        # Processes come and go; one that went needs no answer.
        read -r name session < <(sed -n \
            's/^[0-9]* (\(.*\)) . [0-9]* [0-9]* \([0-9]*\) .*/\1 \2/p' \
            "$stat" 2>/dev/null) || continue
        case $name in
            ceph-mon|ceph-osd|libvirtd|nova-compute|cinder-volume) ;;
            *) continue ;;
        esac
        grep -qs "^$session " "$RUN"/*.pid \
            || refuse "$name runs here and is not this lab's;" \
                "use a machine of its own, or --force"
    done
}

missing_packages() {
    local name
    for name in $PACKAGES; do
        dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null \
            | grep -qx installed || echo "$name"
    done
}

# The services are the lab's to start: neither now nor at the next boot.
install_packages() {
    local before policy=/usr/sbin/policy-rc.d made=no
    before=$(find /etc/systemd/system -type l 2>/dev/null | sort)
    if [ ! -e $policy ]; then
        made=yes
        printf '#!/bin/sh\nexit 101\n' > $policy
        chmod 755 $policy
    fi
    export DEBIAN_FRONTEND=noninteractive
    say "installing packages, which takes some minutes; see $LOG/apt.log"
    if timeout 300 apt-get update >> "$LOG/apt.log" 2>&1 </dev/null; then
        timeout 3000 apt-get -y --no-install-recommends \
            -o Dpkg::Options::=--force-confold \
            -o Dpkg::Options::=--force-unsafe-io \
            install $PACKAGES >> "$LOG/apt.log" 2>&1 </dev/null
    fi
    [ $made = no ] || rm $policy
    find /etc/systemd/system -type l 2>/dev/null | sort \
        | comm -13 <(echo "$before") - | xargs -r rm -f
    [ -z "$(missing_packages)" ] || die "packages are missing" apt
}

# Everything for which a network is needed.
lab_install() {
    if [ ! -e "$LAB/done" ]; then
        check_resources
    fi
    if [ "$FORCE" = no ]; then
        check_outside
        check_daemons
    fi
    mkdir -p "$LAB/done" "$ETC" "$RUN" "$LOG"
    if [ -n "$(missing_packages)" ]; then
        install_packages
    fi
    if [ ! -e "$LAB/image/lab-tiny.raw" ]; then
        build_guest
    fi
    link_python_modules
}

# Debian's modules for Ceph, alone in a folder: with it in PYTHONPATH another
# CPython 3.11 has them, and sees nothing else of Debian's.
link_python_modules() {
    local module folder=/usr/lib/python3/dist-packages
    mkdir -p "$LAB/python"
    for module in rados rbd; do
        ln -sf $folder/$module.cpython-311-x86_64-linux-gnu.so "$LAB/python/"
    done
}
