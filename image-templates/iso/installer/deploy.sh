# shellcheck shell=sh
# Puts the commit on the disk, as a host that pulled it from its remote has it.

deploy_commit() {
    deployment=$target/ostree/deploy/$os_name/deploy/$commit.0
    target_repo=$target/ostree/repo
    mkdir -p "$target"
    quietly mount -t ext4 "/dev/disk/by-uuid/$root_uuid" "$target"
    mkdir -p "$target/boot"
    quietly mount -t ext4 "/dev/disk/by-uuid/$boot_uuid" "$target/boot"
    quietly ostree admin init-fs --modern "$target"
    quietly ostree admin os-init --sysroot="$target" "$os_name"
    if [ -n "$ostree_backend" ]; then
        quietly ostree config --repo="$target_repo" set --group=sysroot bootloader "$ostree_backend"
    fi
    say "Copying the system to the disk; this takes a few minutes"
    # Whatever a worn medium returns, only the very objects of the commit get to the disk.
    quietly ostree pull-local --repo="$target_repo" --disable-fsync --untrusted "$medium/ostree/repo" "$commit"
    quietly ostree refs --repo="$target_repo" --create="$remote:$ref" "$commit"
    # Before the deployment: that this file exists tells ostree which program writes the boot menu.
    mkdir -p "$target/boot/$grub_dir"
    sed "s/$boot_uuid_placeholder/$boot_uuid/g" "$here/grub.cfg" >"$target/boot/$grub_dir/grub.cfg"
    say "Deploying it"
    deploy_tree
    mount_boot "$deployment/etc/fstab"
}

# mount_boot FILE: adds /boot to a system's own table, whose last line may lack its end. Of several lines for /boot systemd takes
# the first: those that are there become comments, for they know nothing of this disk.
mount_boot() {
    if [ -f "$1" ]; then
        sed 's|^[[:blank:]]*[^#[:space:]][^[:space:]]*[[:blank:]]\{1,\}/boot/*[[:space:]]|# &|' "$1" >"$1.new"
        cat "$1.new" >"$1"
        rm "$1.new"
    fi
    if [ -n "$(tail -c 1 "$1" 2>/dev/null)" ]; then echo >>"$1"; fi
    printf 'UUID=%s /boot ext4 defaults,x-systemd.device-timeout=0 0 2\n' "$boot_uuid" >>"$1"
}

# entry_word WORD: the same argument in a boot loader entry, which some GRUBs make a script of (blscfg): there ";" and the like would
# end the command. The kernel takes the double quotes off; a word that has some of its own stays as it is.
entry_word() {
    case $boot_loader$1 in
        grub-blscfg*\"*) printf '%s\n' "$1" ;;
        grub-blscfg*["'"\;\|\&\<\>{}\#\\]*) printf '"%s"\n' "$(printf '%s\n' "$1" | sed 's/\\/&&/g')" ;;
        *) printf '%s\n' "$1" ;;
    esac
}

deploy_tree() {
    set --
    while read -r deploy_word; do
        # --karg keeps only the last of several console=.
        if [ -n "$deploy_word" ]; then set -- "$@" "--karg-append=$(entry_word "$deploy_word")"; fi
    done <<WORDS
$(kernel_words "root=UUID=$root_uuid rw $kernel_arguments $answer_kernel_arguments")
WORDS
    # Where the boot loader cannot read ostree's entries itself, this program makes a menu of them.
    quietly env OSTREE_GRUB2_EXEC="$here/boot-menu" OSTREE_DEBUG_GRUB2=1 \
        ostree admin deploy --sysroot="$target" --os="$os_name" --no-merge "$@" "$remote:$ref"
}

configure_system() {
    configure_remote
    configure_accounts
    if [ -n "$answer_hostname" ]; then printf '%s\n' "$answer_hostname" >"$deployment/etc/hostname"; fi
    if [ -n "$answer_timezone" ]; then configure_timezone; fi
    label_configuration
}

configure_timezone() {
    if [ -e "$deployment/usr/share/zoneinfo/$answer_timezone" ]; then
        ln -sfn "../usr/share/zoneinfo/$answer_timezone" "$deployment/etc/localtime"
    else
        say "The system does not know the timezone $answer_timezone, and keeps its own."
    fi
}

# The tree's own remote, where it has one, with its keys; otherwise the public URL, with the keys of a stream that signs.
configure_remote() {
    if grep -qsF "[remote \"$remote\"]" "$deployment"/etc/ostree/remotes.d/*.conf; then return; fi
    quietly ostree config --repo="$target_repo" set --group="remote \"$remote\"" url "$remote_url"
    if [ -f "$here/remote-keys.gpg" ]; then
        cp "$here/remote-keys.gpg" "$target_repo/$remote.trustedkeys.gpg"
        quietly ostree config --repo="$target_repo" set --group="remote \"$remote\"" gpg-verify true
        quietly ostree config --repo="$target_repo" set --group="remote \"$remote\"" gpg-verify-summary true
    else
        quietly ostree config --repo="$target_repo" set --group="remote \"$remote\"" gpg-verify false
        say "The host follows $remote_url without signature checks: its stream does not sign."
    fi
}

# What this installer wrote has no SELinux labels yet; the rest got them from the commit.
label_configuration() {
    label_contexts=/etc/selinux/targeted/contexts/files/file_contexts
    if [ -x "$deployment/usr/sbin/setfiles" ] && [ -f "$deployment$label_contexts" ]; then
        in_deployment setfiles -F "$label_contexts" /etc /var
    fi
}

keep_log() {
    mkdir -p "$target/ostree/deploy/$os_name/var/log"
    cp "$log" "$target/ostree/deploy/$os_name/var/log/atomic-install.log"
}

# Takes the disk out of use; what was written is on it then.
close_target() {
    for close_mount in "${deployment:-$target}/var" "$target/boot" "$target"; do
        if mountpoint -q "$close_mount"; then quietly umount "$close_mount"; fi
    done
}
