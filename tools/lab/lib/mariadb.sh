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

# MariaDB: the databases of all services, and one for csbs.

run_mysql() {
    launch mysql mariadbd --no-defaults --user=mysql \
        --datadir="$LAB/mysql" --socket="$LAB/mysql/mysql.sock" \
        --pid-file="$LAB/mysql/mysqld.pid" \
        --bind-address=127.0.0.1 --port=3306 --skip-name-resolve \
        --innodb-buffer-pool-size=96M --innodb-flush-log-at-trx-commit=0 \
        --max-connections=400 --performance-schema=OFF \
        --character-set-server=utf8mb3
}

ready_mysql() {
    sql -e 'SELECT 1'
}

sql() {
    mariadb --no-defaults -S "$LAB/mysql/mysql.sock" -u root "$@"
}

# Makes a database that a user may do everything with.
make_database() {
    local name=$1 user=$2 charset=$3 host
    sql -e "CREATE DATABASE IF NOT EXISTS $name CHARACTER SET $charset" \
        || die "the database $name could not be made" mysql
    for host in 127.0.0.1 localhost; do
        sql -e "GRANT ALL ON $name.* TO '$user'@'$host'
                IDENTIFIED BY '$PASSWORD'" \
            || die "$user could not be given the database $name" mysql
    done
}

service_database() {
    make_database "$1" lab utf8mb3
}

# Whether a table has a row whose time is later than a service's start: some
# services answer nobody, but note in the database that they are at work.
has_reported() {
    local name=$1 table=$2 column=$3 condition=$4 age
    age=$(($(date +%s) - $(stat -c %Y "$RUN/$name.pid")))
    condition="$condition AND $column > UTC_TIMESTAMP() - INTERVAL $age SECOND"
    sql -N -e "SELECT 'reported' FROM $table WHERE $condition" \
        | grep -q reported
}

up_mariadb() {
    local host
    if [ ! -d "$LAB/mysql/mysql" ]; then
        mkdir -p "$LAB/mysql"
        chown mysql "$LAB/mysql"
        logged mysql-init mariadb-install-db --no-defaults --user=mysql \
            --datadir="$LAB/mysql" --auth-root-authentication-method=socket
    fi
    serve mysql
    make_database csbs csbs utf8mb4
    # Tests make databases of their own beside it.
    for host in 127.0.0.1 localhost; do
        sql -e "GRANT ALL ON \`csbs\\_%\`.* TO 'csbs'@'$host'" \
            || die "csbs could not be given more databases" mysql
    done
}
