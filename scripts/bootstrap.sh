#!/bin/sh
# Makes a fresh machine able to run atomic-nightly: the programs it drives, its npm packages, and the built program.
# Looks first and does only what is missing, so that every npm script can begin with it. Needs Node.js 20.18.1 or newer and npm.
#
#   scripts/bootstrap.sh            everything
#   scripts/bootstrap.sh --no-build without compiling to dist/
#   scripts/bootstrap.sh --tests    also what only the tests use
#   scripts/bootstrap.sh --no-refresh without bringing package lists and programs up to date
#
# On Debian, package lists older than a day are brought up to date, and with them those programs below that came as
# packages and for which a newer one is there: what is tested is what machines with their security updates have. That is
# tried and never a reason to fail: without a network, a machine that has all it needs stays as it is. What else the
# machine has is its administrator's to update.
set -eu
cd "$(dirname "$0")/.."

build=yes
tests=no
refresh=yes
for argument in "$@"; do
  case $argument in
    --no-build) build=no ;;
    --tests) tests=yes ;;
    --no-refresh) refresh=no ;;
    *) echo "bootstrap: unknown argument $argument" >&2; exit 2 ;;
  esac
done

say() { echo "bootstrap: $*"; }

# What has to be there, and the package that brings it: file, Debian's package, Fedora's (- where there is none).
# Files rather than packages, because a test for a file costs nothing and a program from elsewhere will do as well. Where
# a file of that name may be something else, present() asks for what is needed of it.
programs() {
  cat <<'LIST'
/usr/bin/ostree ostree ostree
/usr/bin/dnf dnf dnf
/usr/lib/python3/dist-packages/dnf python3-dnf python3-dnf
/usr/bin/rpmbuild rpm rpm-build
/usr/bin/rpmsign rpm rpm-sign
/usr/bin/createrepo_c createrepo-c createrepo_c
/usr/bin/gpg gnupg gnupg2
/usr/bin/rsync rsync rsync
/usr/bin/ssh openssh-client openssh-clients
/usr/sbin/sshd openssh-server openssh-server
/usr/sbin/nginx nginx-light nginx
/usr/bin/qemu-system-x86_64 qemu-system-x86 qemu-system-x86-core
/usr/bin/qemu-img qemu-utils qemu-img
/usr/share/OVMF/OVMF_CODE.fd ovmf edk2-ovmf
/usr/bin/mcopy mtools mtools
/usr/sbin/mkfs.vfat dosfstools dosfstools
/usr/sbin/mke2fs e2fsprogs e2fsprogs
/usr/sbin/mkfs.xfs xfsprogs xfsprogs
/usr/sbin/sgdisk gdisk gdisk
/usr/sbin/sfdisk fdisk util-linux
/usr/bin/grub-mkimage grub-common grub2-tools-extra
/usr/lib/grub/i386-pc/boot.img grub-pc-bin grub2-pc-modules
/usr/lib/grub/x86_64-efi/normal.mod grub-efi-amd64-bin grub2-efi-x64-modules
/usr/bin/xorriso xorriso xorriso
/usr/bin/mksquashfs squashfs-tools squashfs-tools
/usr/bin/busybox busybox-static busybox
/usr/bin/cpio cpio cpio
/usr/sbin/depmod kmod kmod
/usr/bin/flock util-linux util-linux-core
/usr/bin/bwrap bubblewrap bubblewrap
/usr/bin/git git git
LIST
  [ "$tests" = yes ] || return 0
  cat <<'LIST'
/usr/bin/vagrant vagrant -
/usr/sbin/mosquitto mosquitto mosquitto
/usr/bin/mosquitto_sub mosquitto-clients mosquitto
/usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq-server rabbitmq-server
/usr/bin/openssl openssl openssl
/usr/bin/xmllint libxml2-utils libxml2
/usr/bin/checkisomd5 isomd5sum isomd5sum
/usr/bin/shellcheck shellcheck ShellCheck
/usr/sbin/setfiles policycoreutils policycoreutils
/usr/bin/getfattr attr attr
/usr/bin/groovy groovy -
/usr/lib/jvm/default-java default-jre-headless -
/usr/bin/chromium chromium chromium
/usr/bin/radosgw radosgw ceph-radosgw
/usr/bin/ceph-mon ceph-mon ceph-mon
/usr/bin/ceph-osd ceph-osd ceph-osd
/usr/bin/ceph ceph-common ceph-common
/etc/selinux/default/policy selinux-policy-default -
/usr/bin/promtool prometheus golang-github-prometheus
/usr/bin/systemd-analyze systemd systemd
/usr/bin/systemd-nspawn systemd-container systemd-container
/usr/sbin/capsh libcap2-bin libcap
/usr/sbin/squid squid squid
/usr/bin/file file file
/usr/bin/bzip2 bzip2 bzip2
/usr/bin/patch patch patch
/usr/bin/make make make
/usr/bin/gcc gcc gcc
/usr/include/stdio.h libc6-dev glibc-devel
/usr/bin/eu-strip elfutils elfutils
/usr/bin/zsh zsh zsh
/usr/bin/fish fish fish
/usr/bin/man man-db man-db
/usr/bin/mandoc mandoc mandoc
/usr/bin/bst buildstream buildstream
/usr/sbin/debootstrap debootstrap debootstrap
/usr/bin/go golang-go golang
/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog/tlog.go golang-golang-x-mod-dev golang-x-mod-devel
/usr/bin/ostree-push ostree-push -
/usr/bin/swtpm swtpm swtpm
/usr/bin/tpm2_createprimary tpm2-tools tpm2-tools
/usr/bin/socat socat socat
/usr/sbin/krb5kdc krb5-kdc krb5-server
/usr/sbin/kadmin.local krb5-admin-server krb5-server
/usr/bin/klist krb5-user krb5-workstation
/usr/lib/apache2/modules/mod_auth_gssapi.so libapache2-mod-auth-gssapi mod_auth_gssapi
/usr/lib/python3/dist-packages/securesystemslib python3-securesystemslib python3-securesystemslib
/usr/lib/python3/dist-packages/cryptography python3-cryptography python3-cryptography
LIST
}

# Without the libraries of this machine, as it must run inside of trees. Debian's busybox needs them and has the same
# place as busybox-static; each replaces the other.
is_static() {
  [ -e "$1" ] && ! ldd "$1" 2>/dev/null | grep -q '=>\|ld-linux'
}

present() {
  case $1 in
    /usr/bin/busybox) is_static /usr/bin/busybox || is_static /bin/busybox || is_static /usr/sbin/busybox; return ;;
  esac
  [ -e "$1" ] && return 0
  case $1 in
    # Other places for the same thing: Debian without a merged /usr, Fedora's names.
    /usr/lib/apache2/modules/*) [ -e "/usr/lib64/httpd/modules/${1##*/}" ] ;;
    /usr/bin/grub-mkimage) [ -e /usr/bin/grub2-mkimage ] ;;
    /usr/bin/gpg) [ -e /usr/bin/gpg2 ] ;;
    /usr/share/OVMF/OVMF_CODE.fd) [ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || [ -e /usr/share/edk2/ovmf/OVMF_CODE.fd ] ;;
    # Python modules; those of dnf, because a /usr/bin/dnf may be dnf5, which has none.
    /usr/lib/python3/dist-packages/*) ls -d /usr/lib*/python3*/site-packages/"${1##*/}" >/dev/null 2>&1 ;;
    /usr/sbin/*) [ -e "/sbin/${1##*/}" ] || [ -e "/usr/bin/${1##*/}" ] ;;
    *) [ -e "/bin/${1##*/}" ] ;;
  esac
}

# Names of the packages whose files are missing; $1 is the column of the list.
missing_packages() {
  programs | while read -r file debian fedora; do
    present "$file" && continue
    if [ "$1" = debian ]; then echo "$debian"; elif [ "$fedora" != - ]; then echo "$fedora"; fi
  done | sort -u
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
    say "not root and no sudo here; run this as root: $*" >&2
    exit 1
  fi
}

# Whether a file that marks when something was done is younger than so many minutes.
within() { [ -n "$(find "$1" -maxdepth 0 -mmin "-$2" 2>/dev/null)" ]; }

# Without a question: nobody need be asked for a password for what can be left undone.
may_be_root() { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }

# Brings the lists and the programs of this program up to date, once a day at most; after a failure an hour later.
refresh_debian() {
  lists=/var/lib/apt/lists
  eval "$(apt-config shell lists Dir::State::lists/d 2>/dev/null || :)"
  [ "$refresh" = yes ] && may_be_root || return 0
  if within "$lists/atomic-nightly-updated" 1440 || within "$lists/atomic-nightly-tried" 60; then return 0; fi
  say "fetching Debian's package lists: those here may be older than a day"
  as_root touch "$lists/atomic-nightly-tried" || return 0
  # An archive that cannot be reached is no error for apt by itself; the old lists stay either way.
  as_root apt-get update -q -o APT::Update::Error-Mode=any -o Acquire::Retries=1 -o Acquire::http::Timeout=20 || {
    say "that failed; going on with the lists that are here"
    return 0
  }
  pending=$(pending_upgrades)
  if [ -n "$pending" ]; then
    say "upgrading Debian packages: $(echo $pending)"
    apt_install --only-upgrade --no-remove $pending || {
      say "that failed; going on with what is here"
      return 0
    }
  fi
  as_root touch "$lists/atomic-nightly-updated"
}

# What apt would upgrade of the packages in the list that are installed, with what they need. Packages on hold stay, and
# where something would have to go nothing is upgraded.
pending_upgrades() {
  names=$(programs | while read -r _ debian _; do echo "$debian"; done | sort -u)
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $names 2>/dev/null | sed -n 's/^installed //p')
  apt-get install -s -q --only-upgrade --no-remove $installed 2>/dev/null |
    sed -n 's/^Inst \([^ ]*\) \[.*/\1/p' | sort -u
}

# Servers are installed for their programs; policy-rc.d keeps their packages from starting them (nginx on port 80,
# sshd on 22). One that is there already is the administrator's and decides itself.
apt_install() {
  policy=/usr/sbin/policy-rc.d
  made_policy=no
  if [ ! -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' | as_root sh -c "cat > $policy && chmod 755 $policy"
  fi
  status=0
  # A configuration file that somebody changed stays as it is.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" || status=$?
  [ "$made_policy" = no ] || as_root rm -f "$policy"
  return "$status"
}

install_debian() {
  refresh_debian
  # The lab turns Debian packages into RPMs; their lists are needed for that even when nothing is to be installed.
  if ! ls "$lists"/*_Packages* >/dev/null 2>&1; then
    say "fetching Debian's package lists"
    as_root apt-get update -q
  fi
  packages=$(missing_packages debian)
  [ -n "$packages" ] || return 0
  say "installing Debian packages: $(echo $packages)"
  apt_install $packages && return 0
  say "that failed; once more with new package lists"
  as_root apt-get update -q
  apt_install $packages
}

# Where the tests look for what is unpacked aside, out of other releases: it does not run into what the machine has.
cache=${ATOMIC_NIGHTLY_TEST_CACHE:-/var/cache/atomic-nightly-tests}

# The tests run against every rsync that Debian has, not only the newest: hosts out there may be without its updates.
# Unpacked aside, where test/support/far-rsync.ts looks.
other_rsyncs() {
  [ "$tests" = yes ] || return 0
  others=$cache/rsync
  if [ "$others" -nt "$lists/atomic-nightly-updated" ] || ! may_be_root; then return 0; fi
  as_root mkdir -p "$others"
  as_root touch "$others"
  installed=$(dpkg-query -W -f '${Version}' rsync)
  apt-cache madison rsync | sed -n 's/^ *rsync | *\([^ ]*\) |.* Packages$/\1/p' | sort -u | while read -r version; do
    [ "$version" != "$installed" ] && [ ! -e "$others/$version" ] || continue
    say "unpacking rsync $version aside"
    aside=$(mktemp -d)
    if (cd "$aside" && apt-get download -q "rsync=$version" && dpkg -x ./*.deb tree) >/dev/null 2>&1; then
      as_root mv "$aside/tree" "$others/$version"
    else
      say "that failed; the tests go without it"
    fi
    rm -rf "$aside"
  done
}

# Programs of others that read and write the same formats, which this Debian does not have yet: cosign, torchwood and its
# witness, Sigsum, and a Go that builds with torchwood's library. Unpacked aside, where test/support/oracles.ts looks; tests
# that want one are skipped without it. apt has lists of its own for that, so that nothing is installed from them. The release
# is signed by Debian, and its pool has only its newest packages: so they are looked at anew once a week, and a day after
# a failure.
later_suite=forky
oracle_packages='cosign torchwood sigsum-go sigsum-log-go golang-filippo-torchwood-dev golang-golang-x-mod-dev
  golang-golang-x-crypto-dev golang-golang-x-sync-dev'

other_oracles() {
  [ "$tests" = yes ] || return 0
  oracles=$cache/oracles
  days=1
  [ ! -e "$oracles/tree" ] || days=7
  if within "$oracles/looked" $((days * 1440)) || ! may_be_root; then return 0; fi
  as_root mkdir -p "$oracles"
  as_root touch "$oracles/looked"
  aside=$(mktemp -d)
  say "looking for cosign, torchwood and Sigsum in Debian $later_suite, for tests"
  unpack_oracles || say "that failed; $([ -e "$oracles/tree" ] && echo "those here stay" || echo "the tests go without them")"
  rm -rf "$aside"
}

# What it is told goes to apt alone, below $aside.
apt_aside() { APT_CONFIG=$aside/apt.conf "$@"; }

unpack_oracles() {
  mkdir -p "$aside/lists/partial" "$aside/cache/archives/partial" "$aside/debs"
  : > "$aside/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $later_suite main" > "$aside/sources.list"
  cat > "$aside/apt.conf" <<CONF
Dir::Etc::sourcelist "$aside/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$aside/lists";
Dir::State::status "$aside/status";
Dir::Cache "$aside/cache";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
APT::Update::Error-Mode "any";
APT::Sandbox::User "root";
CONF
  apt_aside apt-get update -qq || return 1
  # golang-go only names the present version, golang-1.27-go.
  go=$(apt_aside apt-cache show golang-go | sed -n 's/^Depends:.*\(golang-[0-9.]*\)-go.*/\1/p' | head -n 1)
  # What the suite does not have at present is left out.
  apt_aside apt-cache show --no-all-versions $oracle_packages "$go-go" "$go-src" 2>/dev/null |
    sed -n 's/^Package: //p; s/^Version: //p' | paste -d ' ' - - > "$aside/packages"
  if [ ! -s "$aside/packages" ]; then return 1; fi
  if cmp -s "$aside/packages" "$oracles/packages"; then return 0; fi
  say "unpacking aside: $(paste -s -d , "$aside/packages" | sed 's/,/, /g')"
  wanted=$(cut -d ' ' -f 1 "$aside/packages")
  (cd "$aside/debs" && apt_aside apt-get download -qq $wanted) || return 1
  for deb in "$aside"/debs/*.deb; do dpkg -x "$deb" "$aside/tree" || return 1; done
  as_root rm -rf "$oracles/tree" "$oracles/packages"
  as_root mv "$aside/tree" "$oracles/tree" && as_root cp "$aside/packages" "$oracles/packages"
}

install_fedora() {
  packages=$(missing_packages fedora)
  [ -n "$packages" ] || return 0
  say "installing packages: $(echo $packages)"
  as_root dnf install -y $packages
}

check_node() {
  command -v node >/dev/null && command -v npm >/dev/null || {
    say "Node.js and npm are missing; install Node.js 20.18.1 or newer (https://nodejs.org/en/download)" >&2
    exit 1
  }
  node -e 'const [major, minor, patch] = process.versions.node.split(".").map(Number); process.exit(major * 1e6 + minor * 1e3 + patch >= 20018001 ? 0 : 1)' || {
    say "Node.js $(node --version) is too old; 20.18.1 or newer is needed" >&2
    exit 1
  }
}

install_npm() {
  # npm writes node_modules/.package-lock.json as the last thing it does.
  if [ node_modules/.package-lock.json -nt package-lock.json ]; then return 0; fi
  say "installing npm packages"
  npm ci --no-audit --no-fund --loglevel=error
}

build_program() {
  [ "$build" = yes ] || return 0
  stamp=dist/.bootstrap-stamp
  if [ -e "$stamp" ] && [ -z "$(find src scripts/build.ts package.json -newer "$stamp" -print -quit)" ]; then
    return 0
  fi
  say "compiling to dist/"
  # The stamp is older than what is compiled: a file changed meanwhile is compiled next time.
  mkdir -p dist
  touch "$stamp.$$"
  npm run --silent build
  mv "$stamp.$$" "$stamp"
}

if command -v apt-get >/dev/null; then
  install_debian
  other_rsyncs
  other_oracles
elif command -v dnf >/dev/null; then
  install_fedora
else
  packages=$(missing_packages fedora)
  [ -z "$packages" ] || { say "no apt-get or dnf here; install what is called $(echo $packages) on Fedora" >&2; exit 1; }
fi
check_node
install_npm
build_program
