# shellcheck shell=sh
# Which disks there are, and whether one may be used. A doubt is a refusal.

# Disks that could be installed to, one a line.
candidate_disks() {
    lsblk -dnrpbo NAME,TYPE,RO,SIZE | while read -r disk_name disk_type disk_readonly disk_size; do
        case $disk_name in /dev/zram* | /dev/fd* | /dev/ram*) continue ;; esac
        if [ "$disk_type" = disk ] && [ "$disk_readonly" = 0 ] && [ "$disk_size" -gt 0 ] &&
            [ "$disk_name" != "$(medium_disk)" ]; then
            printf '%s\n' "$disk_name"
        fi
    done
}

# disk_fault DISK: why it cannot be used at all, or nothing.
disk_fault() {
    if ! fault_facts=$(lsblk -dnrbo TYPE,RO,SIZE,LOG-SEC "$1" 2>/dev/null); then
        echo "is no disk of this machine; it has: $(candidate_disks | tr '\n' ' ')"
        return
    fi
    read -r fault_type fault_readonly fault_size fault_sector <<FACTS
$fault_facts
FACTS
    if [ "$fault_type" != disk ]; then
        echo "is a $fault_type; a whole disk is needed"
    elif [ "$1" = "$(medium_disk)" ]; then
        echo "is the medium this installer runs from"
    elif [ "$fault_readonly" != 0 ]; then
        echo "cannot be written to"
    elif [ "$fault_size" -lt "$smallest_disk_bytes" ]; then
        echo "is too small: $((fault_size / 1048576)) MiB, and $((smallest_disk_bytes / 1048576)) MiB are needed"
    elif [ "$fault_sector" != 512 ]; then
        echo "has sectors of $fault_sector bytes; only 512 are supported"
    elif [ -n "$(lsblk -nro MOUNTPOINT "$1" | tr -d '\n')" ]; then
        echo "is in use: $(lsblk -nro MOUNTPOINT "$1" | sed '/^$/d' | tr '\n' ' ')"
    elif lsblk -nro TYPE "$1" | grep -qvxE 'disk|part'; then
        echo "is in use by a $(lsblk -nro TYPE "$1" | grep -vxE 'disk|part' | head -n 1) device; stop that first"
    fi
}

# disk_content DISK: what is on it, in words, or nothing when it is blank.
disk_content() {
    content_found=$(
        for content_part in $(lsblk -nrpo NAME "$1"); do
            wipefs --no-act --noheadings --output TYPE "$content_part"
        done | sort -u | tr '\n' ' '
    ) || content_found='something that cannot be read'
    if [ -n "${content_found% }" ]; then
        printf '%s\n' "${content_found% }"
    # Not everything has a signature.
    elif [ "$(head -c 1048576 "$1" | tr -d '\0' | head -c 1 | wc -c)" -ne 0 ]; then
        echo 'unknown data'
    fi
}

# require_usable_disk DISK: fails when it may not be used, with data on it or at all.
require_usable_disk() {
    usable_fault=$(disk_fault "$1")
    if [ -n "$usable_fault" ]; then fail "$1 $usable_fault. Nothing was changed."; fi
    usable_content=$(disk_content "$1")
    if [ -n "$usable_content" ] && [ "$answer_erase" != yes ]; then
        fail "$1 holds data ($usable_content). Nothing was changed." \
            "To lose what is on it and install there, answer \"erase yes\" (atomic.install.erase=yes)."
    fi
}
