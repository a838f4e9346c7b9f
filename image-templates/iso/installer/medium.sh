# shellcheck shell=sh
# The medium this system runs from, and its embedded checksum as isomd5sum writes it: an MD5 of the volume but its last
# sectors, with the 512 bytes the checksum itself stands in taken as blanks.

# The device the medium is mounted from.
medium_device() {
    findmnt -nro SOURCE "$medium"
}

# The disk or drive that device is on.
medium_disk() {
    medium_parent=$(lsblk -dnrpo PKNAME "$(medium_device)" 2>/dev/null || true)
    printf '%s\n' "${medium_parent:-$(medium_device)}"
}

# bytes FILE FROM COUNT
bytes() {
    dd if="$1" bs=1M iflag=skip_bytes,count_bytes,fullblock skip="$2" count="$3" 2>/dev/null
}

# medium_sums FILE: the checksum it should have and the one it has.
medium_sums() {
    sums_area=$((16 * 2048 + 883))
    sums_text=$(bytes "$1" "$sums_area" 512)
    sums_expected=$(printf '%s\n' "$sums_text" | sed -n 's/.*ISO MD5SUM = \([0-9a-f]\{32\}\);.*/\1/p')
    sums_skipped=$(printf '%s\n' "$sums_text" | sed -n 's/.*SKIPSECTORS = \([0-9]*\);.*/\1/p')
    # The number of sectors, big-endian.
    sums_sectors=$(bytes "$1" $((16 * 2048 + 84)) 4 | od -An -tu1 |
        { read -r a b c d && echo $((((a * 256 + b) * 256 + c) * 256 + d)); })
    sums_end=$(((sums_sectors - ${sums_skipped:-0}) * 2048))
    sums_actual=$({
        bytes "$1" 0 "$sums_area"
        printf '%512s' ''
        bytes "$1" $((sums_area + 512)) $((sums_end - sums_area - 512))
    } | md5sum)
    printf '%s %s\n' "${sums_expected:-none}" "${sums_actual%% *}"
}

check_medium() {
    say "Checking the medium; this takes as long as reading it"
    medium_both=$(medium_sums "$(medium_device)")
    if [ "${medium_both% *}" != "${medium_both#* }" ]; then
        fail "The medium is damaged: its checksum is ${medium_both#* } and should be ${medium_both% *}." \
            "Write it again, or use another one. Nothing was changed."
    fi
    say "The medium is as it was made"
}
