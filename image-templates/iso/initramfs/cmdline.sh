#!/bin/sh
# Sourced by dracut while it reads the kernel command line: the root is the installer's medium, not a disk of this host.
if atomic_live=$(getarg atomic.live=); then
    root="atomic-live:$atomic_live"
    # shellcheck disable=SC2034 # dracut reads it: somebody knows what to do with this root
    rootok=1
fi
