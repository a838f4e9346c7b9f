# shellcheck shell=sh
# The questions, in plain text, for a console of any kind.

# ask QUESTION: the line typed. No line at all (the console is gone) ends the installation.
ask() {
    printf '%s ' "$1" >&3
    read -r asked || fail "There is nobody to answer \"$1\"."
    printf '%s\n' "$asked"
}

# ask_secret QUESTION
ask_secret() {
    stty -echo 2>/dev/null || true
    asked_secret=$(ask "$1") || exit 1
    stty echo 2>/dev/null || true
    printf '\n' >&3
    printf '%s\n' "$asked_secret"
}

ask_everything() {
    ask_disk
    if [ -z "$answer_hostname" ]; then ask_answer hostname 'Name of the host (empty: from the network):'; fi
    if [ -z "$answer_user$answer_ssh_keys$answer_password_hash" ]; then
        ask_answer user 'Account to make, which may use sudo (empty: root):'
        ask_password
    fi
}

# ask_answer KEY QUESTION: until the answer has its form, or is empty.
ask_answer() {
    while true; do
        asked_value=$(ask "$2") || exit 1
        if [ -z "$asked_value" ]; then return; fi
        if (set_answer "$1" "$asked_value" 'your answer'); then
            set_answer "$1" "$asked_value" 'your answer'
            return
        fi
        say "$(cat "$failure")"
    done
}

ask_disk() {
    asked_disks=$(candidate_disks)
    if [ -z "$asked_disks" ]; then
        fail "There is no disk to install to. Attach one; the kernel may lack the driver of one that is there."
    fi
    say "Disks of this machine:"
    for asked_disk in $asked_disks; do
        asked_content=$(disk_content "$asked_disk")
        say "  ${asked_disk#/dev/}  $(lsblk -dno SIZE,MODEL "$asked_disk")  ${asked_content:-blank}"
    done
    while true; do
        asked_disk=$(ask 'Install to which disk?') || exit 1
        asked_disk=/dev/${asked_disk#/dev/}
        asked_fault=$(disk_fault "$asked_disk")
        if [ -n "$asked_fault" ]; then
            say "$asked_disk $asked_fault."
        elif confirm_erase "$asked_disk"; then
            answer_disk=$asked_disk
            return
        fi
    done
}

# confirm_erase DISK: by typing its name once more, where something would be lost.
confirm_erase() {
    asked_content=$(disk_content "$1")
    if [ -z "$asked_content" ]; then return 0; fi
    say "$1 holds data ($asked_content), and all of it will be lost."
    if [ "$(ask "To continue, type the name of the disk again (${1#/dev/}):")" = "${1#/dev/}" ]; then
        answer_erase=yes
        return 0
    fi
    return 1
}

ask_password() {
    while true; do
        answer_password=$(ask_secret "Password of ${answer_user:-root}:")
        if [ -n "$answer_password" ] && [ "$(ask_secret 'Once more:')" = "$answer_password" ]; then return; fi
        say "It was empty, or not the same twice."
    done
}
