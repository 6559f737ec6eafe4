#!/bin/bash
#
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

# DevStack's way into lib/csbs; see
# https://docs.openstack.org/devstack/latest/plugins.html

CSBS_PLUGIN_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=devstack/lib/csbs
source "$CSBS_PLUGIN_DIR/lib/csbs"

case "$1" in
    stack)
        case "$2" in
            pre-install)
                check_csbs_dependencies
                ;;
            install)
                echo_summary "Installing csbs"
                install_csbs
                ;;
            post-config)
                echo_summary "Configuring csbs"
                configure_csbs
                create_csbs_accounts
                ;;
            extra)
                echo_summary "Starting csbs"
                init_csbs
                start_csbs
                ;;
            test-config)
                configure_csbs_tempest
                ;;
        esac
        ;;
    unstack)
        stop_csbs
        ;;
    clean)
        cleanup_csbs
        ;;
esac
