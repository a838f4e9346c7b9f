#!/bin/sh
# Sourced by dracut to mount the root: the packed tree on the medium, with changes going to memory. /run stays mounted
# in the system that follows, which finds the medium there.
atomic_live=$(getarg atomic.live=) || return 0
for atomic_module in isofs loop squashfs overlay; do
    modprobe -q "$atomic_module"
done
mkdir -p /run/atomic-live/medium /run/atomic-live/tree /run/atomic-live/memory
ismounted /run/atomic-live/medium \
    || mount -t iso9660 -o ro "/dev/disk/by-label/$atomic_live" /run/atomic-live/medium \
    || warn "The medium cannot be mounted."
ismounted /run/atomic-live/tree \
    || mount -t squashfs -o ro,loop /run/atomic-live/medium/live/root.squashfs /run/atomic-live/tree \
    || warn "The live system on the medium cannot be mounted: the medium may be damaged."
ismounted /run/atomic-live/memory \
    || mount -t tmpfs -o mode=0755,size=50% tmpfs /run/atomic-live/memory
mkdir -p /run/atomic-live/memory/changes /run/atomic-live/memory/work
mount -t overlay -o lowerdir=/run/atomic-live/tree,upperdir=/run/atomic-live/memory/changes,workdir=/run/atomic-live/memory/work \
    overlay "$NEWROOT" || warn "The live system cannot be put together."
