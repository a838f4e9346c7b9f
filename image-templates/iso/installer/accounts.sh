# shellcheck shell=sh
# Who may log in to the installed system.

# in_deployment COMMAND…: runs it in the installed system's tree, with its /var.
in_deployment() {
    if ! mountpoint -q "$deployment/var"; then
        quietly mount --bind "$target/ostree/deploy/$os_name/var" "$deployment/var"
    fi
    quietly chroot "$deployment" "$@"
}

configure_accounts() {
    if [ -z "$answer_user$answer_ssh_keys$answer_password_hash$answer_password" ]; then return; fi
    if [ -d "$deployment/etc/cloud" ]; then quiet_cloud_init; fi
    if [ -n "$answer_user" ]; then make_account; fi
    if [ -n "$answer_password_hash" ]; then
        printf '%s:%s\n' "${answer_user:-root}" "$answer_password_hash" | in_deployment chpasswd -e
    elif [ -n "$answer_password" ]; then
        printf '%s:%s\n' "${answer_user:-root}" "$answer_password" | in_deployment chpasswd
    fi
    if [ -n "$answer_ssh_keys" ]; then write_keys; fi
}

# Who says here who may log in has no cloud to say it, and cloud-init would wait minutes for one at every boot. Where its
# units are enabled by themselves it starts nevertheless, but then looks nowhere.
quiet_cloud_init() {
    : >"$deployment/etc/cloud/cloud-init.disabled"
    mkdir -p "$deployment/etc/cloud/cloud.cfg.d"
    echo 'datasource_list: [None]' >"$deployment/etc/cloud/cloud.cfg.d/99-installed.cfg"
}

# /home and /root are links into /var, which is empty until the first boot.
make_account() {
    say "Making the account $answer_user"
    account_group=wheel
    if ! grep -qs '^wheel:' "$deployment/etc/group"; then account_group=sudo; fi
    mkdir -p "$target/ostree/deploy/$os_name/var/home"
    in_deployment useradd --create-home --shell /bin/bash --groups "$account_group" "$answer_user"
    # Without a password there is none that sudo could ask for.
    if [ -z "$answer_password_hash$answer_password" ] && [ -d "$deployment/etc/sudoers.d" ]; then
        printf '%s ALL=(ALL) NOPASSWD:ALL\n' "$answer_user" >"$deployment/etc/sudoers.d/$answer_user"
        chmod 0440 "$deployment/etc/sudoers.d/$answer_user"
    fi
}

write_keys() {
    keys_var=$target/ostree/deploy/$os_name/var
    if [ -n "$answer_user" ]; then keys_home=$keys_var/home/$answer_user; else keys_home=$keys_var/roothome; fi
    mkdir -p "$keys_home/.ssh"
    chmod 0700 "$keys_home" "$keys_home/.ssh"
    printf '%s' "$answer_ssh_keys" >"$keys_home/.ssh/authorized_keys"
    chmod 0600 "$keys_home/.ssh/authorized_keys"
    if [ -n "$answer_user" ]; then
        in_deployment chown -R "$answer_user:" "/var/home/$answer_user/.ssh"
    fi
}
