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

# Barbican, which keeps the keys of encrypted volumes and of csbs' vaults.

# Its configuration is looked for at fixed places, first in the home folder.
run_barbican() {
    launch_wsgi barbican 9311 /usr/bin/barbican-wsgi-api \
        --env HOME="$ETC/barbican"
}

ready_barbican() {
    answers_http http://127.0.0.1:9311/
}

setup_barbican() {
    service_database barbican
    logged barbican-init env HOME="$ETC/barbican" barbican-manage db upgrade \
        --db-url "mysql+pymysql://lab:$PASSWORD@127.0.0.1/barbican"
}

up_barbican() {
    mkdir -p "$LAB/barbican"
    render barbican.conf "$ETC/barbican/.barbican/barbican.conf"
    once barbican setup_barbican
    serve barbican "$ETC/barbican/.barbican/barbican.conf"
}
