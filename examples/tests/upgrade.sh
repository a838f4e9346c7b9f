#!/bin/sh
# A host of the last release (or of the build before) upgrades to the build that is tested.
set -eu
booted() { ostree admin status | sed -n 's/^\* [^ ]* \([0-9a-f]*\)\..*/\1/p'; }
case "$AUTOPKGTEST_REBOOT_MARK" in
'')
  test "$(booted)" = "$START_COMMIT"
  echo mine > /etc/guest-test-mine
  guest-test upgrade
  guest-test reboot upgraded
  ;;
upgraded)
  test "$(booted)" = "$BUILD_COMMIT"
  test "$(cat /etc/guest-test-mine)" = mine
  ;;
esac
