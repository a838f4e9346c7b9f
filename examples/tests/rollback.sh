#!/bin/sh
# A host that was upgraded goes back to what it ran before.
set -eu
booted() { ostree admin status | sed -n 's/^\* [^ ]* \([0-9a-f]*\)\..*/\1/p'; }
case "$AUTOPKGTEST_REBOOT_MARK" in
'')
  guest-test upgrade
  guest-test reboot upgraded
  ;;
upgraded)
  test "$(booted)" = "$BUILD_COMMIT"
  guest-test rollback "$START_COMMIT"
  guest-test reboot back
  ;;
back)
  test "$(booted)" = "$START_COMMIT"
  ;;
esac
