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

# Glance, with its images in Ceph.

run_glance_api() {
    launch glance-api glance-api --config-file "$ETC/glance/glance-api.conf"
}

ready_glance_api() {
    answers_http http://127.0.0.1:9292/
}

setup_glance() {
    service_database glance
    logged glance-init glance-manage \
        --config-file "$ETC/glance/glance-api.conf" db_sync
}

up_glance() {
    mkdir -p "$LAB"/glance/{images,staging,tasks,lock}
    render glance-api.conf "$ETC/glance/glance-api.conf"
    await rabbit
    once glance setup_glance
    serve glance-api "$ETC/glance/glance-api.conf"
}

# The guest's disk as an image that everybody may use.
up_image() {
    cloud_objects image "$LAB/image/lab-tiny.raw"
}
