# shellcheck shell=sh
# What is to be done: "key value" lines of an answer file, or kernel arguments atomic.install.KEY=VALUE, which win.
# The files are /answers on the medium, and "answers" on a file system labelled ANSWERS.
#
#   disk /dev/vda            where to; a name below /dev, or /dev/disk/by-id/…
#   erase yes                whether a disk that holds data may be overwritten (no)
#   hostname NAME
#   user NAME                an account that may use sudo; ssh-key and password-hash are for it, else for root
#   ssh-key KEY              a line for authorized_keys; may be given several times
#   password-hash HASH       as in /etc/shadow
#   timezone Europe/Prague
#   kernel-arguments WORDS   for the installed system, beside those of the medium
#   check yes                whether to verify the medium first (no)
#   then reboot|poweroff     when done (poweroff)

# Where answers were read from.
answer_file=
answer_disk=
answer_erase=no
answer_hostname=
answer_user=
answer_ssh_keys=
answer_password_hash=
answer_password=
answer_timezone=
answer_kernel_arguments=
answer_check=no
answer_then=

# Whether everything that has to be known is known.
unattended() {
    [ -n "$answer_disk" ]
}

find_answers() {
    if [ -f "$medium/answers" ]; then read_answers "$medium/answers"; fi
    if [ -e /dev/disk/by-label/ANSWERS ]; then
        mkdir -p "$work/answers"
        quietly mount -o ro /dev/disk/by-label/ANSWERS "$work/answers"
        if [ -f "$work/answers/answers" ]; then read_answers "$work/answers/answers"; fi
        quietly umount "$work/answers"
    fi
    read_kernel_arguments /proc/cmdline
}

# read_answers FILE
read_answers() {
    say "Reading answers from $1"
    answer_file=$1
    carriage_return=$(printf '\r')
    while read -r answer_key answer_value || [ -n "$answer_key" ]; do
        answer_value=${answer_value%"$carriage_return"}
        case $answer_key in
            '' | '#'* | "$carriage_return") ;;
            *) set_answer "$answer_key" "$answer_value" "$1" ;;
        esac
    done <"$1"
}

# read_kernel_arguments FILE: as in /proc/cmdline; a value with blanks stands in double quotes, which may begin before its name.
read_kernel_arguments() {
    while read -r answer_word; do
        case $answer_word in
            \"*) answer_word=$(unquoted "$answer_word") ;;
        esac
        case $answer_word in
            atomic.install.*=*)
                answer_word=${answer_word#atomic.install.}
                set_answer "${answer_word%%=*}" "$(unquoted "${answer_word#*=}")" 'the kernel arguments'
                ;;
        esac
    done <<WORDS
$(kernel_words "$(tr '\t\n' '  ' <"$1")")
WORDS
}

# kernel_words TEXT: its words, a line each, as the kernel tells them apart (next_arg): at blanks outside of double quotes.
# Nothing else is special there, neither a backslash nor a single quote.
kernel_words() {
    words_rest="$1 "
    words_word=
    words_inside=no
    while [ -n "$words_rest" ]; do
        words_character=${words_rest%"${words_rest#?}"}
        words_rest=${words_rest#?}
        case $words_inside$words_character in
            'no ')
                if [ -n "$words_word" ]; then printf '%s\n' "$words_word"; fi
                words_word=
                continue
                ;;
            no\") words_inside=yes ;;
            yes\") words_inside=no ;;
        esac
        words_word=$words_word$words_character
    done
    if [ -n "$words_word" ]; then printf '%s\n' "$words_word"; fi
}

# unquoted TEXT: without the double quotes around it, as the kernel takes them off.
unquoted() {
    case $1 in
        \"*)
            unquoted_rest=${1#?}
            printf '%s\n' "${unquoted_rest%\"}"
            ;;
        *) printf '%s\n' "$1" ;;
    esac
}

# set_answer KEY VALUE WHERE
set_answer() {
    case $1 in
        disk)
            require_form "$@" '[[:alnum:]/._:+-]+'
            answer_disk=/dev/${2#/dev/}
            ;;
        erase) require_form "$@" 'yes|no' && answer_erase=$2 ;;
        check) require_form "$@" 'yes|no' && answer_check=$2 ;;
        hostname) require_form "$@" '[[:alnum:]]([[:alnum:].-]{0,252}[[:alnum:]])?' && answer_hostname=$2 ;;
        user) require_form "$@" '[a-z_][a-z0-9_-]{0,31}' && answer_user=$2 ;;
        ssh-key)
            require_form "$@" '[a-z][a-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?'
            answer_ssh_keys="$answer_ssh_keys$2
"
            ;;
        password-hash) require_form "$@" '[$][[:graph:]]+' && answer_password_hash=$2 ;;
        timezone) require_form "$@" '[[:alnum:]_+-]+(/[[:alnum:]_+-]+)*' && answer_timezone=$2 ;;
        kernel-arguments)
            case $(printf '%s' "$2" | tr -dc '"' | sed 's/""//g') in
                ?*) fail "\"$2\" in $3 has a double quote without its end." ;;
            esac
            case $boot_loader$2 in
                grub-blscfg*'$'*) fail "GRUB drops \"\$\" from kernel arguments: \"$2\" in $3. Leave it out." ;;
            esac
            answer_kernel_arguments="$answer_kernel_arguments $2"
            ;;
        then) require_form "$@" 'reboot|poweroff' && answer_then=$2 ;;
        *) fail "There is no answer \"$1\", which stands in $3. Known: disk, erase, hostname, user, ssh-key," \
            "password-hash, timezone, kernel-arguments, check, then." ;;
    esac
}

# require_form KEY VALUE WHERE PATTERN
require_form() {
    if printf '%s\n' "$2" | grep -qxE -e "$4"; then return 0; fi
    if [ "$1" = password-hash ]; then set -- "$1" '…' "$3" "$4"; fi
    fail "\"$1 $2\" in $3 has not the form it needs: $4"
}
