"""Runs a command and writes down what one of the programs it starts, and all that this starts, ask the file system for.

    python3 asked.py REPORT START COMMAND [ARGUMENT]...

REPORT is the file to write, START the path whose execution begins the report: what comes before (the sandbox that is put
up around it) is not in there. The exit status is the command's.

How it knows: a seccomp filter that the command and all its descendants inherit stops each system call that names a path,
until this program has read the path and has let it go on (seccomp_unotify(2)). A result is not waited for: what an asked
path gives is read from the tree afterwards. So a call is stopped once, where strace stops it twice.

REPORT is JSON: {"complete": true, "outside": ["/proc", …], "asked": {"/usr/bin/sed": "r", …}}. `outside` are the mount
points below the root, whose content is no part of the tree. `asked` has absolute paths as they were asked for (`..` and
links are still in there), each with one or more letters:

    l  what it is, of a link the link itself (lstat, readlink)
    s  what it is, links followed (stat, access, chdir, and opening to write)
    r  its content (open, execve), links followed
    d  the names in this folder (getdents)
    x  its extended attributes

When something cannot be known, `complete` is false and `reason` has the cause; nothing may be concluded from the rest.
"""

import ctypes
import errno
import fcntl
import gc
import json
import os
import platform
import select
import signal
import socket
import struct
import sys

# Where a path is within a system call's arguments: (folder's descriptor or None, path, flags or None, kind). Kinds are
# those above, `run`, and `open`, `open2` and `at`, where flags decide. Without a path it is the descriptor's own.
NO_FOLLOW, EMPTY_PATH = 0x100, 0x1000
CALLS = {
    "open": [(None, 0, 1, "open")],
    "openat": [(0, 1, 2, "open")],
    "openat2": [(0, 1, None, "open2")],
    "creat": [(None, 0, None, "s")],
    "stat": [(None, 0, None, "s")],
    "lstat": [(None, 0, None, "l")],
    "newfstatat": [(0, 1, 3, "at")],
    "statx": [(0, 1, 2, "at")],
    "access": [(None, 0, None, "s")],
    "faccessat": [(0, 1, None, "s")],
    "faccessat2": [(0, 1, 3, "at")],
    "readlink": [(None, 0, None, "l")],
    "readlinkat": [(0, 1, None, "l")],
    "execve": [(None, 0, None, "run")],
    "execveat": [(0, 1, 4, "run")],
    "chdir": [(None, 0, None, "s")],
    "statfs": [(None, 0, None, "s")],
    "getdents": [(0, None, None, "d")],
    "getdents64": [(0, None, None, "d")],
    "getxattr": [(None, 0, None, "x")],
    "lgetxattr": [(None, 0, None, "lx")],
    "fgetxattr": [(0, None, None, "x")],
    "listxattr": [(None, 0, None, "x")],
    "llistxattr": [(None, 0, None, "lx")],
    "flistxattr": [(0, None, None, "x")],
    "truncate": [(None, 0, None, "s")],
    "mkdir": [(None, 0, None, "l")],
    "mkdirat": [(0, 1, None, "l")],
    "mknod": [(None, 0, None, "l")],
    "mknodat": [(0, 1, None, "l")],
    "rmdir": [(None, 0, None, "l")],
    "unlink": [(None, 0, None, "l")],
    "unlinkat": [(0, 1, None, "l")],
    "rename": [(None, 0, None, "r"), (None, 1, None, "l")],
    "renameat": [(0, 1, None, "r"), (2, 3, None, "l")],
    "renameat2": [(0, 1, None, "r"), (2, 3, None, "l")],
    "link": [(None, 0, None, "r"), (None, 1, None, "l")],
    "linkat": [(0, 1, 4, "r"), (2, 3, None, "l")],
    "symlink": [(None, 1, None, "l")],
    "symlinkat": [(1, 2, None, "l")],
    "chmod": [(None, 0, None, "s")],
    "fchmodat": [(0, 1, None, "s")],
    "chown": [(None, 0, None, "s")],
    "lchown": [(None, 0, None, "l")],
    "fchownat": [(0, 1, 4, "at")],
    "setxattr": [(None, 0, None, "s")],
    "lsetxattr": [(None, 0, None, "l")],
    "utime": [(None, 0, None, "s")],
    "utimes": [(None, 0, None, "s")],
    "futimesat": [(0, 1, None, "s")],
    "utimensat": [(0, 1, 3, "at")],
    "inotify_add_watch": [(None, 1, None, "s")],
    "name_to_handle_at": [(0, 1, None, "s")],
    "chroot": [(None, 0, None, "s")],
}
# Calls after which paths mean something else, or that open files past this filter.
BLIND = ("mount", "umount2", "pivot_root", "move_mount", "setns", "open_by_handle_at", "io_uring_setup", "uselib")

NUMBERS = {
    "x86_64": {
        "open": 2, "stat": 4, "lstat": 6, "access": 21, "execve": 59, "truncate": 76, "getdents": 78, "chdir": 80,
        "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "readlink": 89,
        "chmod": 90, "chown": 92, "lchown": 94, "utime": 132, "mknod": 133, "uselib": 134, "statfs": 137,
        "pivot_root": 155, "chroot": 161, "mount": 165, "umount2": 166, "setxattr": 188, "lsetxattr": 189,
        "getxattr": 191, "lgetxattr": 192, "fgetxattr": 193, "listxattr": 194, "llistxattr": 195, "flistxattr": 196,
        "getdents64": 217, "utimes": 235, "inotify_add_watch": 254, "openat": 257, "mkdirat": 258, "mknodat": 259,
        "fchownat": 260, "futimesat": 261, "newfstatat": 262, "unlinkat": 263, "renameat": 264, "linkat": 265,
        "symlinkat": 266, "readlinkat": 267, "fchmodat": 268, "faccessat": 269, "utimensat": 280,
        "name_to_handle_at": 303, "open_by_handle_at": 304, "setns": 308, "renameat2": 316, "execveat": 322,
        "statx": 332, "io_uring_setup": 425, "move_mount": 429, "openat2": 437, "faccessat2": 439,
    },
    "aarch64": {
        "setxattr": 5, "lsetxattr": 6, "getxattr": 8, "lgetxattr": 9, "fgetxattr": 10, "listxattr": 11,
        "llistxattr": 12, "flistxattr": 13, "inotify_add_watch": 27, "mknodat": 33, "mkdirat": 34, "unlinkat": 35,
        "symlinkat": 36, "linkat": 37, "renameat": 38, "umount2": 39, "mount": 40, "pivot_root": 41, "statfs": 43,
        "truncate": 45, "faccessat": 48, "chdir": 49, "chroot": 51, "fchmodat": 53, "fchownat": 54, "openat": 56,
        "getdents64": 61, "readlinkat": 78, "newfstatat": 79, "utimensat": 88, "execve": 221, "name_to_handle_at": 264,
        "open_by_handle_at": 265, "setns": 268, "renameat2": 276, "execveat": 281, "statx": 291, "io_uring_setup": 425,
        "move_mount": 429, "openat2": 437, "faccessat2": 439,
    },
}
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SECCOMP_CALL = {"x86_64": 317, "aarch64": 277}
OPENAT2 = 437

# From linux/seccomp.h and linux/filter.h.
FILTER_FLAGS = (1 << 3) | (1 << 5)  # NEW_LISTENER | WAIT_KILLABLE_RECV: a signal must not end a call that waits for us
RET_ALLOW, RET_NOTIFY = 0x7FFF0000, 0x7FC00000
RECEIVE, SEND, STILL_VALID, SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082102, 0x40082104
LOAD, EQUAL, AT_LEAST, HAS_BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
AT_NR, AT_ARCH, AT_ARGUMENTS = 0, 4, 16

O_PATH, AT_FDCWD = 0o10000000, -100
RESOLVE_NO_SYMLINKS, RESOLVE_IN_ROOT = 0x04, 0x10

libc = ctypes.CDLL(None, use_errno=True)


class Impossible(Exception):
    """What programs ask for cannot be known on this machine."""


def make_filter(machine):
    """A filter program: the calls above wait for this program, all others go on at once."""
    numbers = NUMBERS[machine]
    code = [
        (LOAD, 0, 0, AT_ARCH),
        (EQUAL, 1, 0, AUDIT_ARCH[machine]),
        (RETURN, 0, 0, RET_NOTIFY),
        (LOAD, 0, 0, AT_NR),
        (AT_LEAST, 0, 1, 0x40000000),  # x32
        (RETURN, 0, 0, RET_NOTIFY),
    ]
    for name in [*CALLS, *BLIND]:
        if name not in numbers:
            continue
        if name == "newfstatat":
            # fstat(3) is a newfstatat with an empty path: of a file whose opening was seen, and most frequent of all.
            code += [
                (EQUAL, 0, 7, numbers[name]),
                (LOAD, 0, 0, AT_ARGUMENTS),
                (AT_LEAST, 3, 0, 0x80000000),  # AT_FDCWD
                (LOAD, 0, 0, AT_ARGUMENTS + 8 * 3),
                (EQUAL, 0, 1, EMPTY_PATH),
                (RETURN, 0, 0, RET_ALLOW),
                (RETURN, 0, 0, RET_NOTIFY),
                (RETURN, 0, 0, RET_NOTIFY),
            ]
            continue
        code += [(EQUAL, 0, 1, numbers[name]), (RETURN, 0, 0, RET_NOTIFY)]
    code.append((RETURN, 0, 0, RET_ALLOW))
    return b"".join(struct.pack("=HBBI", *one) for one in code), len(code)


def install_filter(machine):
    """Puts the filter on this process; the descriptor that the calls are told on."""
    program, length = make_filter(machine)
    kept = ctypes.create_string_buffer(program)
    argument = struct.pack("@HP", length, ctypes.addressof(kept))
    listener = libc.syscall(SECCOMP_CALL[machine], 1, FILTER_FLAGS, argument)
    if listener < 0 and ctypes.get_errno() == errno.EACCES:
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        listener = libc.syscall(SECCOMP_CALL[machine], 1, FILTER_FLAGS, argument)
    if listener < 0:
        number = ctypes.get_errno()
        raise Impossible("seccomp: " + os.strerror(number) + (" (needs Linux 5.19)" if number == errno.EINVAL else ""))
    return listener


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class How(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


class Memory:
    """Reads text from other processes."""

    def __init__(self):
        self.buffer = ctypes.create_string_buffer(4097)
        self.at = ctypes.addressof(self.buffer)
        self.here, self.there = Vector(self.at, 0), Vector()
        self.arguments = (ctypes.byref(self.here), 1, ctypes.byref(self.there), 1, 0)
        self.read = libc.process_vm_readv

    def bytes(self, pid, address, length):
        here, there = self.here, self.there
        here.length = there.length = length
        there.base = address
        got = self.read(pid, *self.arguments)
        if got < 0:
            raise OSError(ctypes.get_errno(), "process_vm_readv")
        return ctypes.string_at(self.at, got)

    def text(self, pid, address):
        """A text up to its NUL byte, as bytes."""
        # Not beyond a page: the next may not be there.
        found = self.bytes(pid, address, min(256, 4096 - (address & 4095)))
        while b"\0" not in found and len(found) < 4096:
            next_one = address + len(found)
            found += self.bytes(pid, next_one, 4096 - (next_one & 4095))
        return found[: found.index(b"\0")] if b"\0" in found else b""


class Tree:
    """The file system as the traced program sees it."""

    def __init__(self, pid):
        self.prefix = os.readlink("/proc/%d/root" % pid).rstrip("/")
        self.root = os.open("/proc/%d/root" % pid, O_PATH | os.O_DIRECTORY)
        self.outside = []
        with open("/proc/%d/mountinfo" % pid, encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                point = line.split(" ")[4].encode("latin-1", "surrogateescape").decode("unicode_escape")
                # /etc is the tree's own, from another place.
                if point not in ("/", "/etc"):
                    self.outside.append(point)
        self.below = tuple(point + "/" for point in self.outside)
        self.points = frozenset(self.outside)

    def open(self, path, flags, resolve):
        how = How(flags | os.O_CLOEXEC, 0, resolve)
        text = os.fsencode("." + path)
        descriptor = libc.syscall(OPENAT2, self.root, text, ctypes.byref(how), ctypes.sizeof(how))
        if descriptor < 0:
            raise OSError(ctypes.get_errno(), path)
        return descriptor

    def seen(self, link):
        """A path as /proc has it, as the traced program has it; None when it is not in its tree."""
        if link == self.prefix:
            return "/"
        return link[len(self.prefix) :] if link.startswith(self.prefix + "/") else None

    def is_outside(self, path):
        return path in self.points or path.startswith(self.below)

    def real_folder(self, path):
        """Where a folder really is; itself when there is none."""
        try:
            descriptor = self.open(path, O_PATH | os.O_DIRECTORY, RESOLVE_IN_ROOT)
        except OSError:
            return path
        try:
            return self.seen(os.readlink("/proc/self/fd/%d" % descriptor)) or path
        finally:
            os.close(descriptor)

    def out_of(self, path, follow):
        """What a path outside the tree (in /tmp, say) asks of the tree, through links there; None for nothing."""
        try:
            os.close(self.open(path, O_PATH | (0 if follow else os.O_NOFOLLOW), RESOLVE_NO_SYMLINKS | RESOLVE_IN_ROOT))
            return None
        except OSError as error:
            if error.errno != errno.ELOOP:
                return None
        here, todo, links = "", path.split("/")[::-1], 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                here = here.rpartition("/")[0]
                continue
            step = here + "/" + part
            inside = not self.is_outside(step)
            if inside and not any(point.startswith(step + "/") for point in self.outside):
                return "/".join([step, *reversed(todo)])
            here = step
            if step.startswith("/proc/") or not (todo or follow):
                continue
            try:
                target = os.readlink("." + step, dir_fd=self.root)
            except OSError as error:
                if error.errno == errno.EINVAL:
                    continue
                return None
            links += 1
            if links > 40:
                return None
            here = "" if target.startswith("/") else step.rpartition("/")[0]
            todo += target.split("/")[::-1]
        return None

    def interpreter(self, path):
        """What the kernel opens to run a program, besides itself."""
        try:
            descriptor = self.open(path, os.O_RDONLY | os.O_NONBLOCK, RESOLVE_IN_ROOT)
        except OSError:
            return None
        try:
            head = os.read(descriptor, 4096)
            if head.startswith(b"#!"):
                words = head[2:256].split(b"\n", 1)[0].split()
                return os.fsdecode(words[0]) if words else None
            if not head.startswith(b"\x7fELF\x02\x01"):
                return None
            (table,) = struct.unpack_from("<Q", head, 32)
            size, count = struct.unpack_from("<HH", head, 54)
            for index in range(count):
                entry = os.pread(descriptor, 56, table + index * size)
                kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", entry)
                if kind == 3:  # PT_INTERP
                    return os.fsdecode(os.pread(descriptor, length, offset).rstrip(b"\0"))
            return None
        except (OSError, struct.error):
            return None
        finally:
            os.close(descriptor)


class Report:
    """What was asked for."""

    def __init__(self, start):
        self.start = start
        self.tree = None
        self.asked = {}
        self.known = set()
        self.ran = set()
        self.folders = {}
        self.rooted = False
        self.reason = None

    def blind(self, reason):
        if self.tree and self.reason is None:
            self.reason = reason

    def begin(self, pid):
        self.tree = Tree(pid)

    def ask(self, path, kinds):
        """
        Notes a path; one of a mount inside the tree is followed to where its links lead. True when asking for it again
        will always be the same, because the tree does not change and mounts do.
        """
        tree = self.tree
        if (path, kinds) in self.known:
            return True
        if not tree.is_outside(path):
            folder, _, name = path.rstrip("/").rpartition("/")
            real = self.folders.get(folder)
            if real is None:
                real = self.folders[folder] = tree.real_folder(folder or "/") if folder else "/"
            if name != ".." and not tree.is_outside(real):
                self.known.add((path, kinds))
                self.add(path, kinds)
                return True
            self.add(path, kinds)
            path = real.rstrip("/") + "/" + name
        if path.startswith("/proc/"):
            parts = path.split("/", 4)
            if len(parts) > 4 and parts[3] == "root":
                self.ask("/" + parts[4], kinds)
            elif len(parts) > 4 and parts[3] in ("cwd", "task", "map_files"):
                self.blind("a program asked for " + path)
            return False
        inside = tree.out_of(path, "l" not in kinds)
        if inside is not None:
            self.ask(inside, kinds)
        return False

    def add(self, path, kinds):
        have = self.asked.get(path, "")
        self.asked[path] = have + "".join(kind for kind in kinds if kind not in have)

    def run(self, path):
        """Notes a program that is executed and what the kernel reads for it; True as `ask`."""
        always = True
        for _ in range(5):
            always = self.ask(path, "r") and always
            if path in self.ran:
                break
            if always:
                self.ran.add(path)
            path = self.tree.interpreter(path)
            if path is None or not path.startswith("/"):
                break
        return always

    def write(self, file):
        complete = self.tree is not None and self.reason is None
        result = {"complete": complete, "outside": self.tree.outside if self.tree else [], "asked": self.asked}
        if not complete:
            result["reason"] = self.reason or self.start + " was not run"
        with open(file, "w", encoding="ascii") as output:
            json.dump(result, output)


class Listener:
    """Answers the calls that wait."""

    def __init__(self, descriptor, machine, report):
        self.descriptor, self.report, self.memory = descriptor, report, Memory()
        self.arch = AUDIT_ARCH[machine]
        numbers = NUMBERS[machine]
        self.calls = {numbers[name]: spec for name, spec in CALLS.items() if name in numbers}
        self.done = set()
        self.chroot = numbers["chroot"]
        self.names = {number: name for name, number in numbers.items()}

    def serve(self):
        """Returns when no process is left that the filter is on."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        empty, notice, answer = bytes(80), bytearray(80), struct.Struct("=QqiI")
        take = struct.Struct("=QII iIQ 6Q").unpack
        descriptor, report, ioctl = self.descriptor, self.report, fcntl.ioctl
        try:
            # Linux 6.7: the waiting program and this one take turns on one processor.
            ioctl(descriptor, SET_FLAGS, 1)
        except OSError:
            pass
        while True:
            for _, events in poll.poll():
                if events & select.POLLHUP:
                    return
            notice[:] = empty
            try:
                ioctl(descriptor, RECEIVE, notice)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR):
                    continue
                raise
            number, pid, _, call, arch, _, *arguments = take(notice)
            try:
                if report.tree or call in self.calls:
                    self.note(pid, call, arch, arguments)
            except OSError as error:
                self.lost(number, error)
            except (UnicodeError, ValueError) as error:
                report.blind(str(error))
            try:
                ioctl(descriptor, SEND, answer.pack(number, 0, 0, 1))  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise

    def lost(self, number, error):
        """A call that could not be looked at: it matters unless its process was killed meanwhile."""
        try:
            fcntl.ioctl(self.descriptor, STILL_VALID, struct.pack("=Q", number))
        except OSError:
            return
        # A bad address: the kernel refuses the call as well.
        if error.errno != errno.EFAULT:
            self.report.blind("a call could not be looked at: %s" % error)

    def note(self, pid, call, arch, arguments):
        report = self.report
        if arch != self.arch or call not in self.calls:
            name = self.names.get(call, "number %d" % call) if arch == self.arch else "of another architecture"
            report.blind("a program used the system call " + name)
            return
        for folder, where, flags, kind in self.calls[call]:
            if report.tree is None:
                if self.names[call] == "execve" and self.memory.text(pid, arguments[0]) == os.fsencode(report.start):
                    report.begin(pid)
                else:
                    return
            if call == self.chroot:
                report.rooted = True
            self.path(pid, arguments, folder, where, flags, kind)

    def path(self, pid, arguments, folder, where, flags, kind):
        report = self.report
        bits = 0 if flags is None else arguments[flags] & 0xFFFFFFFF
        if where is None:
            name, bits, once = "", EMPTY_PATH, None
        elif arguments[where] == 0:
            return  # futimens(3) and the like: of an open file
        else:
            raw = self.memory.text(pid, arguments[where])
            # Most are asked for again and again.
            once = (kind, raw, bits) if raw.startswith(b"/") and not report.rooted else None
            if once in self.done:
                return
            name = os.fsdecode(raw)
        if name == "" and not bits & EMPTY_PATH:
            return
        if name.startswith("/"):
            # After a chroot(2) absolute paths begin somewhere else.
            top = report.tree.seen(os.readlink("/proc/%d/root" % pid)) if report.rooted else "/"
            if top is None:
                raise ValueError("a program has a root outside the tree")
            path = top.rstrip("/") + name
        else:
            number = AT_FDCWD if folder is None else ctypes.c_int(arguments[folder] & 0xFFFFFFFF).value
            base = os.readlink("/proc/%d/%s" % (pid, "cwd" if number == AT_FDCWD else "fd/%d" % number))
            base = report.tree.seen(base)
            if base is None:
                return  # a pipe, or a file from outside
            path = base if name == "" else (base.rstrip("/") + "/" + name)
        word = kind
        if kind == "open2":
            (bits,) = struct.unpack("=Q", self.memory.bytes(pid, arguments[2], 8))
            kind = "open"
        if kind == "open":
            follow = not bits & os.O_NOFOLLOW
            if bits & (O_PATH | os.O_DIRECTORY) or bits & os.O_ACCMODE == os.O_WRONLY:
                kind = "s" if follow else "l"
            else:
                kind = "r"
        elif kind == "at":
            kind = "l" if bits & NO_FOLLOW else "s"
        known = report.run(path) if kind == "run" else report.ask(path, kind)
        if known and once and word != "open2":
            self.done.add(once)


def start(argv, ours, theirs, machine):
    """The child's part: the filter, its descriptor to the parent, the command."""
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG: nobody would answer any more
    ours.close()
    try:
        try:
            listener = install_filter(machine)
        except Impossible as error:
            theirs.sendall(b"n" + str(error).encode())
        else:
            socket.send_fds(theirs, [b"y"], [listener])
            os.close(listener)
        theirs.close()
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, ("%s: %s\n" % (argv[0], error.strerror)).encode())
    finally:
        os._exit(127)


def main():
    file, first, argv = sys.argv[1], sys.argv[2], sys.argv[3:]
    gc.disable()
    machine = platform.machine()
    report = Report(first)
    if machine not in NUMBERS or sys.byteorder != "little":
        report.reason = "not known for " + machine
        report.write(file)
        os.execvp(argv[0], argv)
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        start(argv, ours, theirs, machine)
    theirs.close()
    message, descriptors, _, _ = socket.recv_fds(ours, 1000, 1)
    if descriptors:
        Listener(descriptors[0], machine, report).serve()
    else:
        report.reason = message[1:].decode() or "the command could not be started"
    _, status = os.waitpid(child, 0)
    report.write(file)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
    sys.exit(code)


main()
