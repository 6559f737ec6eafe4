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

# Starts, watches and ends processes without an init system. A service NAME
# has a function run_NAME, which calls launch, and may have a ready_NAME,
# which succeeds once it answers (in both, '-' is written '_'). Its process id
# lies in run/NAME.pid, together with its time of start: an id that the kernel
# gave to another process since is never taken for the service.

# The tick at which a process started; none when it is only a zombie.
started_at() {
    sed -n 's/^.*) \([^ZX]\)/\1/p' "/proc/$1/stat" 2>/dev/null \
        | cut -d' ' -f20
}

# Whether a service's process is still the one that was started.
alive() {
    local pid tick
    [ -f "$RUN/$1.pid" ] || return 1
    read -r pid tick < "$RUN/$1.pid"
    [ -n "$pid" ] && [ -n "$tick" ] && [ "$(started_at "$pid")" = "$tick" ]
}

# The services that were started and not ended since.
recorded() {
    local file
    for file in "$RUN"/*.pid; do
        if [ -e "$file" ]; then
            basename "$file" .pid
        fi
    done
}

is_service() {
    declare -F "run_${1//-/_}" >/dev/null
}

# Starts a service's program in a session of its own.
launch() {
    local name=$1 pid
    shift
    setsid nohup "$@" >> "$LOG/$name.log" 2>&1 </dev/null 9>&- &
    pid=$!
    sleep 0.1
    echo "$pid $(started_at $pid)" > "$RUN/$name.pid"
}

# Starts a WSGI program below uWSGI: one process, some threads.
launch_wsgi() {
    local name=$1 port=$2 program=$3
    shift 3
    launch "$name" uwsgi --plugin python3 --http-socket "127.0.0.1:$port" \
        --wsgi-file "$program" --need-app --master --lazy-apps \
        --processes 1 --threads 8 --enable-threads --buffer-size 65535 \
        --die-on-term --no-orphans --rem-header Content-Length \
        --add-header 'Connection: close' --chdir "$LAB" \
        --procname-prefix-spaced "$name" "$@"
}

# Ends a service: first politely, after a while with all its children.
halt() {
    local pid tick deadline
    if alive "$1"; then
        read -r pid tick < "$RUN/$1.pid"
        kill -TERM "$pid" 2>/dev/null
        deadline=$((SECONDS + 20))
        while alive "$1" && [ $SECONDS -lt $deadline ]; do
            sleep 0.1
        done
        kill -KILL -- "-$pid" 2>/dev/null
    fi
    rm -f "$RUN/$1.pid"
}

# Waits for a service's answer, by default for two minutes at most.
await() {
    local name=$1 ready=ready_${1//-/_} deadline
    deadline=$((SECONDS + ${2:-120}))
    declare -F "$ready" >/dev/null || ready="alive $name"
    until $ready >/dev/null 2>&1; do
        alive "$name" || die "$name has ended" "$name"
        [ $SECONDS -lt $deadline ] || die "$name does not answer" "$name"
        sleep 0.2
    done
}

# Starts a service unless it runs; one that runs with an older configuration
# than the files that are named is ended first.
serve_later() {
    local name=$1 file
    shift
    for file in "$@"; do
        if alive "$name" && [ "$file" -nt "$RUN/$name.pid" ]; then
            say "$name has a new configuration"
            halt "$name"
        fi
    done
    if ! alive "$name"; then
        "run_${name//-/_}"
    fi
}

# The same, and waits for its answer.
serve() {
    serve_later "$@"
    await "$1"
}

restart() {
    halt "$1"
    serve "$1"
}

# For the functions ready_NAME.
answers_http() {
    curl -s -o /dev/null --max-time 10 -w '%{http_code}' "$1" \
        | grep -q '^[234]'
}

answers_port() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1")
}

# Prints the services whose process is gone; fails when there is none.
dead_services() {
    local name found=1
    for name in $(recorded); do
        if ! alive "$name"; then
            echo "$name"
            found=0
        fi
    done
    return $found
}

# Waits for those that nothing else waited for, and looks for those that have
# ended since.
check_all_alive() {
    local name dead
    for name in $(recorded); do
        await "$name"
    done
    if dead=$(dead_services); then
        die "ended soon after it was started: $(echo $dead)" "${dead%%$'\n'*}"
    fi
}

# The MiB that a service takes with its children, shared pages counted once.
memory_of() {
    local leader tick pid total=0 kib
    read -r leader tick < "$RUN/$1.pid"
    for pid in $(ps -o pid= -s "$leader"); do
        kib=$(awk '/^Pss:/ {print $2}' "/proc/$pid/smaps_rollup" 2>/dev/null)
        total=$((total + ${kib:-0}))
    done
    echo $((total / 1024))
}
