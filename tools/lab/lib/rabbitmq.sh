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

# RabbitMQ: / is the services' virtual host, csbs that of csbs. It takes ten
# seconds to start, so nothing waits for it before the first that needs it.

run_epmd() {
    launch epmd epmd -address 127.0.0.1
}

ready_epmd() {
    answers_port 4369
}

# The wrapper in the PATH would change to another user.
run_rabbit() {
    local folder=$LAB/rabbit
    launch rabbit env HOME="$folder/home" \
        ERL_EPMD_ADDRESS=127.0.0.1 \
        RABBITMQ_CONF_ENV_FILE=/dev/null \
        RABBITMQ_CONFIG_FILE="$ETC/rabbitmq/rabbitmq.conf" \
        RABBITMQ_DIST_PORT=25672 \
        RABBITMQ_ENABLED_PLUGINS_FILE="$folder/plugins" \
        RABBITMQ_LOG_BASE="$LOG" \
        RABBITMQ_MNESIA_BASE="$folder/mnesia" \
        RABBITMQ_NODENAME=lab@localhost \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface \
{127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none" \
        /usr/lib/rabbitmq/bin/rabbitmq-server
}

ready_rabbit() {
    answers_port 5672
}

up_rabbitmq() {
    mkdir -p "$LAB/rabbit/mnesia" "$LAB/rabbit/home"
    render rabbitmq.conf "$ETC/rabbitmq/rabbitmq.conf"
    render rabbitmq-definitions.json "$ETC/rabbitmq/definitions.json"
    serve epmd
    serve_later rabbit "$ETC/rabbitmq/rabbitmq.conf" \
        "$ETC/rabbitmq/definitions.json"
}
