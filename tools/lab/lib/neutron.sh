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

# Neutron with bridges of the kernel, on networks that end at this machine.

CARD=lab-card

run_neutron_server() {
    launch neutron-server neutron-server \
        --config-file "$ETC/neutron/neutron.conf" \
        --config-file "$ETC/neutron/ml2.ini"
}

ready_neutron_server() {
    answers_http http://127.0.0.1:9696/
}

run_neutron_lb() {
    launch neutron-lb neutron-linuxbridge-agent \
        --config-file "$ETC/neutron/neutron.conf" \
        --config-file "$ETC/neutron/ml2.ini"
}

# The agent names itself after the address of a network card, and ends where
# there is none.
make_card() {
    local card
    for card in /sys/class/net/*; do
        if [ "${card##*/}" != lo ]; then
            return
        fi
    done
    logged neutron-init ip link add "$CARD" type bridge
}

# Ports of servers cannot be bound before.
ready_neutron_lb() {
    has_reported neutron-lb neutron.agents heartbeat_timestamp \
        "\`binary\` = 'neutron-linuxbridge-agent'"
}

setup_neutron() {
    service_database neutron
    logged neutron-init neutron-db-manage \
        --config-file "$ETC/neutron/neutron.conf" \
        --config-file "$ETC/neutron/ml2.ini" upgrade head
}

up_neutron() {
    mkdir -p "$LAB/neutron/lock"
    render neutron.conf "$ETC/neutron/neutron.conf"
    render neutron-ml2.ini "$ETC/neutron/ml2.ini"
    make_card
    await rabbit
    once neutron setup_neutron
    serve neutron-server "$ETC/neutron/neutron.conf" "$ETC/neutron/ml2.ini"
    serve_later neutron-lb "$ETC/neutron/neutron.conf" "$ETC/neutron/ml2.ini"
}
