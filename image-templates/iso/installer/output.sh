# shellcheck shell=sh
# What the installer says: on its console, on every other console of the kernel, and to a log that goes to the disk.

: "${work:=/run/atomic-install}"
: "${consoles:=/sys/class/tty/console/active}"
log=$work/install.log
failure=$work/failure
# Functions that print a result still speak to the console.
exec 3>&1

# Consoles of the kernel but the last, which is /dev/console and this program's own.
other_consoles() {
    tr ' ' '\n' <"$consoles" | sed '$d'
}

# say WORDS…: one line for people.
say() {
    printf '%s\n' "$*" >&3
    printf '%s\n' "$*" >>"$log"
    for say_console in $(other_consoles); do
        printf '%s\r\n' "$*" >"/dev/$say_console" 2>/dev/null || true
    done
}

# fail WHAT WHY WHAT-TO-DO…: ends the installation; also from within $(…).
fail() {
    printf '%s\n' "$*" >"$failure"
    exit 1
}

# quietly COMMAND…: its output goes to the log, and its last lines to the console when it fails.
quietly() {
    printf '$ %s\n' "$*" >>"$log"
    if ! "$@" >>"$log" 2>&1; then
        fail "\"$*\" failed: $(tail -n 3 "$log")"
    fi
}
