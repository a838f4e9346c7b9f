# shellcheck shell=sh
# How it ends. Nobody may be watching, so a failure ends in a line that scripts can look for.

# finish STATUS: called when the program ends, however it does.
finish() {
    trap - EXIT
    set +e
    stty echo 2>/dev/null
    if [ "$1" -eq 0 ]; then
        end_well
    else
        finish_reason=$(cat "$failure" 2>/dev/null)
        say "ATOMIC-INSTALL-FAILED: ${finish_reason:-the installer ended unexpectedly: $(tail -n 3 "$log")}"
        (close_target)
        end_badly
    fi
}

end_well() {
    if unattended_from_start; then
        # Powering off is the default: a machine that boots from the medium first would install itself again.
        systemctl --no-block "${answer_then:-poweroff}"
    else
        printf 'Take out the medium and press Enter to restart. ' >&3
        read -r _
        systemctl --no-block "${answer_then:-reboot}"
    fi
}

end_badly() {
    if unattended_from_start; then
        say "Powering off in 10 seconds."
        sleep 10
        systemctl --no-block poweroff
    else
        say "The log is $log. This is a shell; leave it to power off."
        sh
        systemctl --no-block poweroff
    fi
}

# Whether nobody was asked, and perhaps nobody is there: the dialogue sets the same variables, and an answer file that
# cannot be understood ends before any disk is named.
unattended_from_start() {
    [ "${attended:-no}" = no ] && { unattended || [ -n "$answer_file" ]; }
}
