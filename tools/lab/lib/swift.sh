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

# Swift: proxy, account, container and object server, one copy of everything,
# and two storage policies. Nothing replicates, audits or expires.

run_swiftlog() {
    launch swiftlog /usr/bin/python3 "$TOOLS/lib/logsink.py" \
        "$RUN/swiftlog.sock"
}

ready_swiftlog() {
    [ -S "$RUN/swiftlog.sock" ]
}

run_swift_account() {
    launch swift-account swift-account-server \
        "$ETC/swift/account-server.conf"
}

run_swift_container() {
    launch swift-container swift-container-server \
        "$ETC/swift/container-server.conf"
}

run_swift_object() {
    launch swift-object swift-object-server "$ETC/swift/object-server.conf"
}

run_swift_proxy() {
    launch swift-proxy swift-proxy-server "$ETC/swift/proxy-server.conf"
}

ready_swift_account() {
    answers_http http://127.0.0.1:6202/healthcheck
}

ready_swift_container() {
    answers_http http://127.0.0.1:6201/healthcheck
}

ready_swift_object() {
    answers_http http://127.0.0.1:6200/healthcheck
}

ready_swift_proxy() {
    answers_http http://127.0.0.1:8080/healthcheck
}

# A ring of one device.
make_ring() {
    local name=$1 port=$2
    cd "$ETC/swift" || return
    rm -f "$name.builder"
    swift-ring-builder "$name.builder" create 8 1 1 \
        && swift-ring-builder "$name.builder" \
            add "r1z1-127.0.0.1:$port/d1" 100 \
        && swift-ring-builder "$name.builder" rebalance
}

# A ring's name is that of its server, with the number of the policy.
make_rings() {
    local entry
    for entry in account:6202 container:6201 object:6200 object-1:6200; do
        if [ ! -e "$ETC/swift/${entry%:*}.ring.gz" ]; then
            logged swift-init make_ring "${entry%:*}" "${entry#*:}"
        fi
    done
}

up_swift() {
    local entry kind
    mkdir -p "$LAB/swift/cache"
    # XFS is at ease with very many small files and their attributes.
    mount_disk "$LAB/swift/disk.img" "$SWIFT_GB" "$LAB/swift/dev/d1"
    render swift.conf "$ETC/swift/swift.conf"
    claim /etc/swift/swift.conf "$ETC/swift/swift.conf"
    make_rings
    # Swift logs to a syslog, or else to a port that nobody listens on.
    serve swiftlog
    for entry in account:6202 container:6201 object:6200; do
        kind=${entry%:*}
        render swift-storage.conf "$ETC/swift/$kind-server.conf" \
            -e "s|@SWIFT_KIND@|$kind|g" -e "s|@SWIFT_PORT@|${entry#*:}|"
        serve_later "swift-$kind" "$ETC/swift/$kind-server.conf" \
            "$ETC/swift/swift.conf"
    done
    render swift-proxy.conf "$ETC/swift/proxy-server.conf"
    serve_later swift-proxy "$ETC/swift/proxy-server.conf" \
        "$ETC/swift/swift.conf"
    for kind in account container object proxy; do
        await "swift-$kind"
    done
}
