"""The part of the dnf engine that speaks to libdnf and librpm.

Run as `python3 depsolve.py VERB`, with the request as JSON on standard input. Prints one JSON object a line on standard
output: {"event": "progress" | "say" | "result" | "error", ...}. Exit code 3 goes with an "error" event, whose "kind" is
one of "missing", "depsolve", "repo", "config", "package", "unpack", "script", "install"; anything else that goes wrong is a traceback on
standard error and exit code 1.

Nothing of the host's configuration is read: no /etc/dnf, no plugins, no variables, no repositories of the host.
"""

import glob
import json
import logging
import os
import stat
import sys
import time


class Refused(Exception):
    """A failure the caller can name: `kind` as above, `detail` further fields of the event."""

    def __init__(self, kind, message, **detail):
        super().__init__(message)
        self.kind = kind
        self.detail = detail


def emit(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


# --- dnf -----------------------------------------------------------------------------------------------------------


def open_base(request):
    """A dnf.Base with the request's repositories enabled and their metadata loaded."""
    import dnf

    cache = request["cacheDir"]
    empty_root = os.path.join(cache, "empty-root")
    for folder in (empty_root, os.path.join(cache, "metadata"), os.path.join(cache, "log")):
        os.makedirs(folder, exist_ok=True)

    conf = dnf.conf.Conf()
    conf.config_file_path = ""
    conf.check_config_file_age = False
    # It is taken for a pattern of names.
    conf.reposdir = [glob.escape(request["reposDir"])]
    conf.varsdir = []
    conf.pluginpath = []
    conf.plugins = False
    conf.installroot = empty_root
    conf.cachedir = os.path.join(cache, "metadata")
    conf.persistdir = os.path.join(cache, "persist")
    conf.logdir = os.path.join(cache, "log")
    conf.system_cachedir = conf.cachedir
    conf.keepcache = True
    conf.deltarpm = False
    # Signatures are checked by rpmkeys, once the files are here.
    conf.gpgcheck = False
    conf.best = True
    conf.strict = True
    conf.skip_if_unavailable = False
    conf.install_weak_deps = request["recommends"]
    conf.excludepkgs = request["excludes"]
    conf.protected_packages = []
    if request.get("platformModule"):
        conf.module_platform_id = request["platformModule"]
    # Whatever is here, for the download that follows a resolve.
    conf.metadata_expire = -1
    conf.substitutions.clear()
    conf.substitutions.update(request["variables"])

    base = dnf.Base(conf)
    faults = ConfigFaults()
    logging.getLogger("dnf").addHandler(faults)
    try:
        base.read_all_repos()
        if faults.messages:
            raise Refused("config", "dnf does not take a .repo file as it is:\n" + "\n".join(faults.messages))
        enabled = set(request["repos"])
        unread = enabled - {repo.id for repo in base.repos.values()}
        if unread:
            raise Refused("config", "dnf finds no repository %s in %s" % (", ".join(sorted(unread)), request["reposDir"]))
        for repo in base.repos.values():
            if repo.id in enabled:
                repo.enable()
                repo.skip_if_unavailable = False
                repo.metadata_expire = conf.metadata_expire
                repo.gpgcheck = False
                # dnf would look for them from wherever this runs.
                for name in ("sslcacert", "sslclientcert", "sslclientkey"):
                    path = getattr(repo, name)
                    if path:
                        setattr(repo, name, os.path.join(request["reposDir"], path))
                # It takes addresses only, and needs the keys for repo_gpgcheck.
                repo.gpgkey = [
                    key if ":" in key else "file://" + os.path.join(request["reposDir"], key) for key in repo.gpgkey
                ]
                if request["refresh"]:
                    # What --refresh does. metadata_expire = 0 is not enough: metadata cached in this very second count
                    # as fresh under it.
                    repo._repo.expire()
            else:
                repo.disable()
        base.fill_sack(load_system_repo=False)
    except dnf.exceptions.RepoError as error:
        raise repo_failure(error) from error
    return base


def repo_failure(error):
    """dnf itself only says that loading has failed; why, the library says that it asked."""
    import hawkey

    cause = error.__context__
    if not isinstance(cause, hawkey.Exception):
        return Refused("repo", str(error))
    return Refused(
        "repo",
        "%s: its metadata cannot be read: %s" % (error, cause),
        hint="Its owner must create the metadata again; where it is being updated, run again in a while.",
    )


class ConfigFaults(logging.Handler):
    """What dnf logs about .repo files and values in them that it leaves out: a check may be among these."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        message = record.getMessage()
        if "is missing name in configuration" not in message:
            self.messages.append(message)


def nevra(package):
    return "%s-%s" % (package.name, evra(package))


def evra(package):
    epoch = "%d:" % package.epoch if package.epoch else ""
    return "%s%s-%s.%s" % (epoch, package.version, package.release, package.arch)


def digest(package):
    import hawkey

    kind, value = package.chksum or (None, b"")
    names = {hawkey.CHKSUM_SHA256: "sha256", hawkey.CHKSUM_SHA384: "sha384", hawkey.CHKSUM_SHA512: "sha512"}
    if kind not in names:
        weak = {hawkey.CHKSUM_MD5: "an MD5", hawkey.CHKSUM_SHA1: "a SHA-1"}.get(kind, "no")
        raise Refused(
            "repo",
            'Repository "%s" has %s checksum for %s, which proves nothing; a lockfile needs SHA-256, SHA-384 or SHA-512.'
            % (package.reponame, weak, nevra(package)),
            hint="Its owner must create the metadata again: createrepo_c --checksum=sha256.",
        )
    return names[kind] + ":" + value.hex()


def locked_packages(base, locked, request):
    """The packages a lockfile names, one of each name and architecture; and all others made invisible."""
    available = base.sack.query().available()
    chosen = []
    missing = []
    for lock in sorted(locked, key=lambda one: one["key"]):
        found = [p for p in available.filter(name=lock["name"]) if evra(p) == lock["evra"]]
        same = [p for p in found if not lock.get("digest") or digest(p) == lock["digest"]]
        if same:
            # Of equal files in several repositories the one dnf would take: lower cost, higher priority, then the id.
            # One whose signatures are checked comes first, so that a copy elsewhere cannot get around the check.
            chosen.append(
                min(
                    same,
                    key=lambda p: (
                        p.reponame not in request["checked"],
                        base.repos[p.reponame].priority,
                        base.repos[p.reponame].cost,
                        p.reponame,
                    ),
                )
            )
        else:
            missing.append({"name": lock["name"], "evra": lock["evra"], "otherContent": bool(found)})
    if missing:
        raise Refused("missing", "locked packages are not in the repositories", packages=missing)
    keep = set(chosen)
    hide = [p for p in available if p not in keep]
    excluded = base.sack.query().filter(pkg=hide) if hide else base.sack.query().filter(empty=True)
    base.sack.add_excludes(excluded)
    return chosen


def mark_group(base, spec):
    """Marks the packages of a comps group (`@GROUP`) or environment (`@^ENVIRONMENT`), by id or name, as dnf does.

    These are its mandatory and default packages, and conditional ones whose condition is met. Says what is missing:
    the group itself, or those of its mandatory packages that no repository has and that are not excluded.
    """
    import fnmatch

    if base.comps is None:
        base.read_comps(arch_filter=True)
    types = ["mandatory", "default", "conditional"]
    environment = base.comps.environment_by_pattern(spec[2:]) if spec.startswith("@^") else None
    if environment is not None:
        groups = list(environment.mandatory_groups)
        base.environment_install(environment.id, types)
    else:
        group = None if spec.startswith("@^") else base.comps.group_by_pattern(spec[1:])
        if group is None:
            return [spec]
        groups = [group]
        base.group_install(group.id, types)
    excluded = base.conf.excludepkgs
    names = {p.name for group in groups for p in group.mandatory_packages}
    return [
        "%s (of %s)" % (name, spec)
        for name in sorted(names)
        if not base.sack.query().available().filter(name=name)
        and not any(fnmatch.fnmatch(name, pattern) for pattern in excluded)
    ]


def depsolve(base, request):
    """The packages to install."""
    import dnf

    locked = request.get("locked")
    unknown = []

    def mark(spec, repo=None):
        if spec.startswith("@"):
            # The lockfile has what the group had when it was made.
            if locked is None:
                unknown.extend(mark_group(base, spec))
            return
        try:
            if repo is None:
                base.install(spec)
            else:
                base.install(spec, reponame=repo)
        except dnf.exceptions.MarkingError:
            unknown.append(spec if repo is None else "%s (from %s)" % (spec, repo))

    if locked is not None:
        for package in locked_packages(base, locked, request):
            base.package_install(package)
    else:
        hide = set(request.get("onlyLockedRepos", []))
        for repo in hide:
            base.sack.add_excludes(base.sack.query().filter(reponame=repo))
    for spec in request["packages"]:
        mark(spec)
    for entry in request["repoPackages"]:
        for spec in entry["packages"]:
            mark(spec, entry["repo"])
    if unknown:
        raise Refused("missing", "packages are not in the repositories", packages=[{"name": spec} for spec in unknown])
    try:
        base.resolve()
    except dnf.exceptions.DepsolveError as error:
        raise Refused("depsolve", str(error)) from error
    packages = sorted(base.transaction.install_set)
    if locked is not None:
        known = {(lock["name"], lock["evra"]) for lock in locked}
        more = [nevra(p) for p in packages if (p.name, evra(p)) not in known]
        if more:
            raise Refused("depsolve", "the locked packages need others that the lockfile does not have: " + ", ".join(more))
    seen = {}
    for package in packages:
        key = (package.name, package.arch)
        if key in seen:
            raise Refused(
                "depsolve",
                "both %s and %s would be installed; a lockfile holds one package of a name and architecture"
                % (seen[key], nevra(package)),
            )
        seen[key] = nevra(package)
    return packages


def refuse_elsewhere(package):
    base = package.baseurl or ""
    inside = is_file_repo(package) and package.localPkg().startswith(package.repo.pkgdir.rstrip("/") + "/")
    if base.startswith("file:") and not inside:
        raise Refused(
            "repo",
            'Repository "%s" says that %s is at %s: metadata names no files of this machine outside its repository.'
            % (package.reponame, nevra(package), base),
            hint="Its owner must create the metadata again, without xml:base.",
        )


def describe(package):
    refuse_elsewhere(package)
    path = package.localPkg()
    here = os.path.exists(path) and os.path.getsize(path) == package.downloadsize
    return {
        "name": package.name,
        "evra": evra(package),
        "digest": digest(package),
        "repo": package.reponame,
        "path": path,
        "download": 0 if here or (package.baseurl or "").startswith("file:") else package.downloadsize,
    }


def resolve(request):
    with open_base(request) as base:
        emit("result", packages=[describe(p) for p in depsolve(base, request)])


def make_progress():
    import dnf.callback

    class Progress(dnf.callback.DownloadProgress):
        """Bytes over all packages, told ten times a second at most."""

        def __init__(self):
            self.total = 0
            self.done = {}
            self.told = 0.0
            self.failed = {}

        def start(self, total_files, total_size, total_drpms=0):
            self.total = total_size

        def progress(self, payload, done):
            self.done[str(payload)] = done
            self.tell()

        def end(self, payload, status, msg):
            # Of a mirror; in the end dnf only says that it tried all of them.
            if status == dnf.callback.STATUS_MIRROR and msg:
                self.failed[str(payload)] = msg
            self.done[str(payload)] = payload.download_size
            self.tell(last=sum(self.done.values()) >= self.total)

        def tell(self, last=False):
            now = time.monotonic()
            if last or now - self.told > 0.1:
                self.told = now
                emit("progress", done=int(sum(self.done.values())), total=int(self.total), unit="bytes")

    return Progress()


def download(request):
    """Brings the locked packages here; result: their descriptions."""
    import dnf

    with open_base(request) as base:
        packages = locked_packages(base, request["locked"], request)
        # Before anything is fetched.
        for p in packages:
            refuse_elsewhere(p)
        remote = [p for p in packages if not is_file_here(p)]
        progress = make_progress()
        try:
            if remote:
                base.download_packages(remote, progress)
        except dnf.exceptions.DownloadError as error:
            reasons = [f"{name}: {why}" for name, why in progress.failed.items()]
            raise Refused("repo", "\n".join([*reasons, str(error)])) from error
        found = advisories(packages) if request["advisories"] else []
        emit("result", packages=[describe(p) for p in packages], advisories=found)


def advisories(packages):
    """The security advisories that came with these very packages, sorted by id.

    References are those that name a CVE that none before them named, by address, as rpm-ostree picks them.
    """
    import hawkey

    found = {}
    for package in packages:
        for advisory in package.get_advisories(hawkey.EQ):
            if advisory.type == hawkey.ADVISORY_SECURITY:
                found.setdefault(advisory.id, (advisory, []))[1].append(nevra(package))
    return [
        {"id": key, "severity": one.severity or "", "packages": sorted(owners), "references": cve_references(one)}
        for key, (one, owners) in sorted(found.items())
    ]


# The largest updates of a kernel have some hundred. The library goes through all of them to find one.
MOST_REFERENCES = 10_000


def cve_references(advisory):
    import re

    import hawkey

    known = set()
    references = []
    named = advisory.references
    if len(named) > MOST_REFERENCES:
        raise Refused(
            "repo",
            "The advisory %s has %d references: its repository is damaged, or somebody wants it to take for ever."
            % (advisory.id, len(named)),
            hint="The owner of the repository must make its updateinfo again.",
        )
    for reference in sorted(named, key=lambda one: one.url or ""):
        if reference.type != hawkey.REFERENCE_BUGZILLA or not reference.url or not reference.title:
            continue
        cves = set(re.findall(r"\bCVE-[0-9]+-[0-9]+\b", reference.title))
        if cves - known:
            references.append([reference.url, reference.title])
            known |= cves
    return references


def is_file_repo(package):
    return package.repo._repo.isLocal()


def is_file_here(package):
    """Whether dnf takes the file where it is: metadata in a folder may have its packages on a server."""
    return is_file_repo(package) and (not package.baseurl or package.baseurl.startswith("file:"))


# --- rpm -----------------------------------------------------------------------------------------------------------


def install(request):
    """Installs RPM files into a root; their checksums and signatures were checked before."""
    import rpm

    root = request["root"]
    for name, value in request["macros"].items():
        rpm.addMacro(name, value)
    # Callbacks may run while librpm is chrooted into the root: paths are looked up from folders opened before.
    host_fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)

    ts = rpm.TransactionSet(root)
    ts.setVSFlags(rpm._RPMVSF_NOSIGNATURES)
    ts.scriptFd = os.dup(2)
    flags = 0
    if request["nodocs"]:
        flags |= rpm.RPMTRANS_FLAG_NODOCS
    ts.setFlags(flags)

    owners = {}
    unfit = []
    for path in request["rpms"]:
        with open(path, "rb") as file:
            header = ts.hdrFromFdno(file.fileno())
        unfit += unfit_files(header)
        ts.addInstall(header, (path, header[rpm.RPMTAG_NEVRA]), "i")
        own = set(header[rpm.RPMTAG_FILENAMES])
        owners[path] = [name for name in ACCOUNT_FILES if "/etc/" + name in own]

    # What no package has is there as soon as the users are, before a script counts its lines.
    unowned = [name for name in ACCOUNT_FILES if not any(name in names for names in owners.values())]
    for names in owners.values():
        if "passwd" in names:
            names += unowned

    if unfit:
        raise Refused("package", "\n".join(unfit))
    problems = ts.check()
    if problems:
        raise Refused("depsolve", "\n".join(sorted({str(p) for p in problems})))
    ts.order()

    open_files = {}
    failed = []
    unpacked = []
    count = 0

    def callback(reason, amount, total, key, client):
        nonlocal count
        if reason == rpm.RPMCALLBACK_INST_OPEN_FILE:
            open_files[key[0]] = os.open(key[0].lstrip("/"), os.O_RDONLY, dir_fd=host_fd)
            return open_files[key[0]]
        if reason == rpm.RPMCALLBACK_INST_CLOSE_FILE:
            os.close(open_files.pop(key[0]))
        elif reason == rpm.RPMCALLBACK_INST_STOP:
            count += 1
            emit("progress", done=count, total=len(request["rpms"]), unit="packages")
            # What is to be there already must be there before the first %pre makes new users.
            for name in owners[key[0]]:
                seed_accounts(root_fd, name, request["users"], name in unowned)
        elif reason == rpm.RPMCALLBACK_SCRIPT_ERROR:
            failed.append("%s of %s" % (script_name(amount), key[1] if isinstance(key, tuple) else key))
        elif reason == rpm.RPMCALLBACK_CPIO_ERROR or reason == rpm.RPMCALLBACK_UNPACK_ERROR:
            unpacked.append(str(key[1] if isinstance(key, tuple) else key))
        return None

    problems = ts.run(callback, "")
    if problems:
        raise Refused("install", "\n".join(str(p[0] if isinstance(p, tuple) else p) for p in problems))
    if unpacked:
        raise Refused("unpack", ", ".join(unpacked))
    if failed:
        raise Refused("script", "; ".join(failed))
    files = own_files(ts, set(request["listFilesOf"]))
    ts.closeDB()
    emit("result", files=files)


def own_files(ts, names):
    """The files of installed packages by name, those of all its architectures, without what another package has as well."""
    import rpm

    own, others = {}, set()
    for header in ts.dbMatch():
        paths = header[rpm.RPMTAG_FILENAMES]
        if header[rpm.RPMTAG_NAME] in names:
            own.setdefault(header[rpm.RPMTAG_NAME], {}).update(zip(paths, header[rpm.RPMTAG_FILEMODES]))
        else:
            others.update(paths)
    # Folders are shared all the time, and go only when they are empty.
    return {
        name: sorted(
            path
            for path, mode in paths.items()
            if stat.S_ISDIR(mode & 0xFFFF) or not (path in others or any(path in own[other] for other in own if other != name))
        )
        for name, paths in own.items()
    }


def unfit_files(header):
    """What of a package a commit cannot hold, or rpm would wait for without an end; a line each."""
    import rpm

    kinds = {
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a character device",
        stat.S_IFBLK: "a block device",
    }
    lines = []
    files = zip(header[rpm.RPMTAG_FILENAMES], header[rpm.RPMTAG_FILEMODES], header[rpm.RPMTAG_FILEFLAGS])
    for name, mode, flags in files:
        raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
        name = raw.decode("utf-8", "backslashreplace")
        shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
        kind = kinds.get(stat.S_IFMT(mode & 0xFFFF))
        if kind is not None and not flags & rpm.RPMFILE_GHOST:
            lines.append("%s has %s, %s" % (header[rpm.RPMTAG_NEVRA], shown, kind))
        if any(c < " " or c == "\x7f" for c in name):
            lines.append("%s has %s, a name with a control character" % (header[rpm.RPMTAG_NEVRA], shown))
        if raw != name.encode("utf-8"):
            lines.append("%s has %s, a name that is not UTF-8" % (header[rpm.RPMTAG_NEVRA], shown))
    return lines


def script_name(tag):
    import rpm

    names = {
        getattr(rpm, "RPMTAG_" + constant): name
        for constant, name in (
            ("PREIN", "%pre"),
            ("POSTIN", "%post"),
            ("PRETRANS", "%pretrans"),
            ("POSTTRANS", "%posttrans"),
            ("TRIGGERSCRIPTS", "a trigger"),
            ("FILETRIGGERSCRIPTS", "a file trigger"),
            ("TRANSFILETRIGGERSCRIPTS", "a transaction file trigger"),
        )
    }
    return names.get(tag, "a script (tag %s)" % tag)


ACCOUNT_FILES = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")


def seed_accounts(root_fd, name, users, make):
    """Adds the given lines of an account file whose name the tree's file does not have, and makes the file if asked to.

    Users that are added also become members again of groups the file has already: a script that makes a user puts it
    into its groups then, and not when it is there.
    """
    lines = users.get(name, [])
    if not lines:
        return
    mode = 0o600 if name in ("shadow", "gshadow") else 0o644
    try:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_CREAT if make else 0)
        fd = os.open("etc/" + name, flags, mode, dir_fd=root_fd)
    except FileNotFoundError:
        return
    with os.fdopen(fd, "r+", encoding="utf-8", errors="surrogateescape") as file:
        text = file.read()
        have = [line for line in text.splitlines()]
        names = {line.split(":", 1)[0] for line in have}
        if name in ("group", "gshadow"):
            seeded = {line.split(":", 1)[0] for line in users.get("passwd", [])}
            given = {line.split(":", 1)[0]: line for line in lines}
            have = [with_members(line, given.get(line.split(":", 1)[0]), seeded) for line in have]
        have += [line for line in lines if line.split(":", 1)[0] not in names]
        file.seek(0)
        file.truncate()
        file.write("".join(line + "\n" for line in have))


def with_members(line, given, seeded):
    """A line of group or gshadow with those members of another one that are among the seeded users."""
    if given is None or line.count(":") != 3 or given.count(":") != 3:
        return line
    rest, members = line.rsplit(":", 1)
    present = [member for member in members.split(",") if member]
    more = [member for member in given.rsplit(":", 1)[1].split(",") if member in seeded and member not in present]
    return rest + ":" + ",".join(present + more)


# --- main ----------------------------------------------------------------------------------------------------------


def version(_request):
    import dnf
    import rpm

    emit("result", dnf=dnf.VERSION, rpm=rpm.__version__)


VERBS = {"resolve": resolve, "download": download, "install": install, "version": version}

if __name__ == "__main__":
    try:
        VERBS[sys.argv[1]](json.load(sys.stdin))
    except Refused as refused:
        emit("error", kind=refused.kind, message=str(refused), **refused.detail)
        sys.exit(3)
