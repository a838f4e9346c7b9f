# shellcheck shell=sh
# Makes the disk: partitions, boot loaders, file systems. Their ids are new each time.

# partition DISK NUMBER: its device.
partition() {
    case $1 in
        *[0-9]) printf '%sp%s\n' "$1" "$2" ;;
        *) printf '%s%s\n' "$1" "$2" ;;
    esac
}

# Waits until udev has made the device nodes, which on a busy machine takes as long as it takes: udev itself ends what hangs.
settle_devices() {
    for again in 1 2 3 4 5 6 7 8 9 10; do
        udevadm settle --timeout=60 && return
        say "Still waiting for device nodes ($again)"
    done
    return 1
}

write_partitions() {
    say "Partitioning $1"
    for old_part in $(lsblk -nrpo NAME "$1" | sed 1d) "$1"; do
        quietly wipefs --all --force "$old_part"
    done
    quietly sfdisk --wipe always --wipe-partitions always "$1" <"$here/partitions.sfdisk"
    settle_devices || fail "The device nodes of $1 did not come: \"journalctl -b -u systemd-udevd\" may say why."
    boot_uuid=$(cat /proc/sys/kernel/random/uuid)
    root_uuid=$(cat /proc/sys/kernel/random/uuid)
    make_ext4 "$(partition "$1" 3)" boot "$boot_uuid"
    make_ext4 "$(partition "$1" 4)" root "$root_uuid"
    write_boot_loaders "$1"
}

# make_ext4 DEVICE LABEL UUID: with features the boot loader can read, whatever mke2fs.conf of the tree says.
make_ext4() {
    quietly env MKE2FS_CONFIG=/dev/null mkfs.ext4 -q -F -O "$ext4_features" \
        -b 4096 -I 256 -m 1 -L "$2" -U "$3" "$1"
}

# The head of the disk was made with the medium: boot code, GRUB for BIOS, and the EFI partition.
write_boot_loaders() {
    say "Writing the boot loaders"
    quietly dd if="$here/disk-head.img" of="$1" bs=440 count=1 conv=notrunc
    quietly dd if="$here/disk-head.img" of="$1" bs=1M skip=1 seek=1 conv=notrunc
    # Where a loader's configuration names the boot file system, its id, which is as long, takes the place.
    LC_ALL=C grep -abo "$boot_uuid_placeholder" "$here/disk-head.img" | while IFS=: read -r head_offset _; do
        printf '%s' "$boot_uuid" | quietly dd of="$1" bs=1 seek="$head_offset" conv=notrunc
    done
}
