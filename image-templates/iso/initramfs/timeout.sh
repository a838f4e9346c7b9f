#!/bin/sh
# Sourced by dracut when the medium was waited for in vain.
warn "The installer's medium, labelled $(getarg atomic.live=), is not among the disks this kernel found."
warn "Try another USB port or drive; the kernel may lack the driver."
