"""Downloads packages from one repository as dnf does on a host, with its signatures checked.

The request is JSON on standard input: {"root", "url", "arch", "keys": [FILE…], "gpgcheck", "packages": [{"name", "evra", "sha256"}…]}.
`root` is an empty folder: its rpm database gets these keys and no others. Prints one JSON object a line on standard
output: {"event": "progress", "done", "total"} and, at the end, {"event": "result", "fault": null | TEXT, "packages": [{"name",
"evra", "fault"}…]} with what is wrong with the repository, and with each package that cannot be used.

Nothing of this machine's configuration is read: no /etc/dnf, no plugins, no variables, no repositories.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import dnf
import dnf.callback
import dnf.exceptions
import dnf.repo


# Packages that rpmkeys checks at a time: far below the kernel's limit for an argument list.
TOGETHER = 200


class Progress(dnf.callback.DownloadProgress):
    def __init__(self):
        self.total = 0
        self.done = 0

    def start(self, total_files, total_size, total_drpms=0):
        self.total = total_files

    def end(self, payload, status, msg):
        self.done += 1
        emit("progress", done=self.done, total=self.total)


def emit(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def open_base(request):
    root = request["root"]
    for name in ("cache", "persist", "log"):
        os.makedirs(os.path.join(root, name))
    conf = dnf.conf.Conf()
    conf.config_file_path = ""
    conf.check_config_file_age = False
    conf.reposdir = []
    conf.varsdir = []
    conf.pluginpath = []
    conf.plugins = False
    conf.installroot = root
    conf.cachedir = os.path.join(root, "cache")
    conf.system_cachedir = conf.cachedir
    conf.persistdir = os.path.join(root, "persist")
    conf.logdir = os.path.join(root, "log")
    conf.deltarpm = False
    conf.substitutions.clear()
    conf.substitutions.update({"arch": request["arch"], "basearch": request["arch"], "releasever": "1"})
    base = dnf.Base(conf)
    repo = dnf.repo.Repo("published", conf)
    repo.baseurl = [request["url"]]
    repo.gpgcheck = request["gpgcheck"]
    repo.repo_gpgcheck = bool(request["keys"])
    repo.gpgkey = ["file://" + key for key in request["keys"]]
    repo.skip_if_unavailable = False
    base.repos.add(repo)
    return base


def evra(package):
    epoch = "%d:" % package.epoch if package.epoch else ""
    return "%s%s-%s.%s" % (epoch, package.version, package.release, package.arch)


def signature_fault(base, package):
    """What dnf's gpgcheck says, after it has taken the repository's keys; None if it is content."""
    result, message = base.package_signature_check(package)
    if result == 1:
        try:
            base.package_import_key(package, askcb=lambda *_: True)
        except (ValueError, dnf.exceptions.Error):
            return message
        result, message = base.package_signature_check(package)
    return None if result == 0 else message


def all_signed(paths, root):
    """Whether rpmkeys finds all of these files signed, asked as dnf asks it for each (dnf/rpm/miscutils.py), in one process."""
    program = shutil.which("rpmkeys")
    if program is None:
        return False
    options = ["--define=_pkgverify_level signature", "--define=_pkgverify_flags 0x0"]
    asked = subprocess.run(
        [program, "--checksig", "--root", root, "--verbose", *options, *paths],
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    return asked.returncode == 0


def signature_faults(base, packages, root):
    """
    What gpgcheck says of each package that it is not content with. dnf starts rpmkeys for each package, which takes a minute for
    some thousand; it judges the first, with which it takes the key, and each of a batch that rpmkeys does not pass as a whole.
    """
    if not packages:
        return {}
    first, rest = packages[0], packages[1:]
    batches = [rest[at : at + TOGETHER] for at in range(0, len(rest), TOGETHER)]
    faults = {first: signature_fault(base, first)}
    if base.repos["published"].gpgcheck:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            passed = pool.map(lambda batch: all_signed([one.localPkg() for one in batch], root), batches)
        batches = [batch for batch, good in zip(batches, passed) if not good]
    faults.update({one: signature_fault(base, one) for batch in batches for one in batch})
    return {one: fault for one, fault in faults.items() if fault}


def content_fault(package, sha256):
    with open(package.localPkg(), "rb") as file:
        found = hashlib.sha256(file.read()).hexdigest()
    return None if found == sha256 else "it has the SHA-256 %s" % found


def use(base, request):
    wanted = {(one["name"], one["evra"]): one["sha256"] for one in request["packages"]}
    names = sorted({name for name, _ in wanted})
    there = {(p.name, evra(p)): p for p in base.sack.query().available().filter(name=names)}
    faults = {key: "it is not in the repository" for key in wanted if key not in there}
    packages = [there[key] for key in wanted if key in there]
    try:
        base.download_packages(packages, Progress())
    except dnf.exceptions.DownloadError:
        # It stops at the first that fails; one by one it is clear which these are.
        for package in packages:
            try:
                base.download_packages([package])
            except dnf.exceptions.DownloadError as error:
                faults[(package.name, evra(package))] = "; ".join(sum(error.errmap.values(), []))
    whole = []
    for package in packages:
        key = (package.name, evra(package))
        if key in faults:
            continue
        fault = content_fault(package, wanted[key])
        if fault:
            faults[key] = fault
        else:
            whole.append(package)
    for package, fault in signature_faults(base, whole, request["root"]).items():
        faults[(package.name, evra(package))] = fault
    return faults


def main():
    request = json.load(sys.stdin)
    with open_base(request) as base:
        try:
            base.fill_sack(load_system_repo=False)
            faults = use(base, request)
        except (dnf.exceptions.RepoError, dnf.exceptions.DownloadError) as error:
            emit("result", fault=str(error), packages=[])
            return
        listed = [{"name": name, "evra": version, "fault": why} for (name, version), why in sorted(faults.items())]
        emit("result", fault=None, packages=listed)


main()
