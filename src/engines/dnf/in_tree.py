"""Runs a command with a tree's mounts in place, inside namespaces that unshare(1) has just made.

    python3 in_tree.py ROOT OPTIONS BINDS [HOST INROOT]... COMMAND [ARGUMENT]...

OPTIONS are mount options for the tree (`strictatime` or `relatime`), BINDS the number of pairs that follow: a file or
folder of the host and where it appears, relative to the root. The tree gets a /proc of the new process namespace, a /dev
with the six devices programs count on, and /etc where it has that in usr/etc already. As the mount namespace ends with
its last process, nothing has to be unmounted, and nothing stays mounted after a SIGKILL.
"""

import os
import subprocess
import sys


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True, stdin=subprocess.DEVNULL)


def touch(path):
    with open(path, "a"):
        pass


def main():
    root, options, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    binds, command = sys.argv[4 : 4 + 2 * count], sys.argv[4 + 2 * count :]

    mount("--bind", root, root)
    mount("-o", "remount,bind," + options, root)
    dev = os.path.join(root, "dev")
    mount("-t", "tmpfs", "-o", "mode=0755,size=1m,nosuid", "dev", dev)
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        touch(os.path.join(dev, name))
        mount("--bind", "/dev/" + name, os.path.join(dev, name))
    os.symlink("/proc/self/fd", os.path.join(dev, "fd"))
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink("fd/%d" % number, os.path.join(dev, name))
    mount("-t", "proc", "proc", os.path.join(root, "proc"))
    etc = os.path.join(root, "usr/etc")
    if os.path.isdir(etc):
        mount("--bind", etc, os.path.join(root, "etc"))
        mount("-o", "remount,bind," + options, os.path.join(root, "etc"))
    for host, inside in zip(binds[::2], binds[1::2]):
        mount("--bind", host, os.path.join(root, inside))
    os.execvp(command[0], command)


main()
