#!/bin/sh
# What is in /var and /etc outlives a restart; a test is started again after the restart it asked for, with its mark.
set -eu
case "$AUTOPKGTEST_REBOOT_MARK" in
'')
  echo kept > /etc/guest-test-kept
  cat /proc/sys/kernel/random/boot_id > /var/lib/guest-test-boot
  guest-test reboot again
  ;;
again)
  test "$(cat /etc/guest-test-kept)" = kept
  test "$(cat /proc/sys/kernel/random/boot_id)" != "$(cat /var/lib/guest-test-boot)"
  ;;
esac
