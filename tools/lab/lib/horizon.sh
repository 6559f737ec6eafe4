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

# Horizon, served by Django itself.

run_horizon() {
    launch horizon /usr/bin/python3 \
        /usr/share/openstack-dashboard/manage.py runserver --insecure \
        --noreload 127.0.0.1:8000
}

ready_horizon() {
    answers_http http://127.0.0.1:8000/auth/login/
}

up_horizon() {
    local settings=/etc/openstack-dashboard/local_settings.d/_9999_lab.py
    render horizon_settings.py.in "$ETC/horizon/lab.py"
    claim $settings "$ETC/horizon/lab.py"
    serve horizon "$ETC/horizon/lab.py"
}
