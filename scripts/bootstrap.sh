#!/bin/sh
# Makes a fresh machine able to run atomic-nightly: the programs it drives, its npm packages, and the built program.
# Looks first and does only what is missing, so that every npm script can begin with it. Needs Node.js 20.3 or newer and npm.
#
#   scripts/bootstrap.sh            everything
#   scripts/bootstrap.sh --no-build without compiling to dist/
#   scripts/bootstrap.sh --tests    also what only the tests use
set -eu
cd "$(dirname "$0")/.."

build=yes
tests=no
for argument in "$@"; do
  case $argument in
    --no-build) build=no ;;
    --tests) tests=yes ;;
    *) echo "bootstrap: unknown argument $argument" >&2; exit 2 ;;
  esac
done

say() { echo "bootstrap: $*"; }

# What has to be there, and the package that brings it: file, Debian's package, Fedora's (- where there is none).
# Files rather than packages, because a test for a file costs nothing and a program from elsewhere will do as well.
programs() {
  cat <<'LIST'
/usr/bin/ostree ostree ostree
/usr/bin/dnf dnf dnf
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
LIST
}

present() {
  [ -e "$1" ] && return 0
  case $1 in
    # Other places for the same thing: Debian without a merged /usr, Fedora's names.
    /usr/bin/grub-mkimage) [ -e /usr/bin/grub2-mkimage ] ;;
    /usr/bin/gpg) [ -e /usr/bin/gpg2 ] ;;
    /usr/share/OVMF/OVMF_CODE.fd) [ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || [ -e /usr/share/edk2/ovmf/OVMF_CODE.fd ] ;;
    /usr/bin/busybox) [ -e /bin/busybox ] || [ -e /usr/sbin/busybox ] ;;
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

install_debian() {
  # The lab turns Debian packages into RPMs; their lists are needed for that even when nothing is to be installed.
  if ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then
    say "fetching Debian's package lists"
    as_root apt-get update -q
  fi
  packages=$(missing_packages debian)
  [ -n "$packages" ] || return 0
  say "installing Debian packages: $(echo $packages)"
  # Servers are installed for their programs; policy-rc.d keeps their packages from starting them (nginx on port 80,
  # sshd on 22). One that is there already is the administrator's and decides itself.
  policy=/usr/sbin/policy-rc.d
  made_policy=no
  if [ ! -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' | as_root sh -c "cat > $policy && chmod 755 $policy"
  fi
  status=0
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages || status=$?
  if [ "$status" -ne 0 ]; then
    say "that failed; once more with new package lists"
    status=0
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages || status=$?
  fi
  [ "$made_policy" = no ] || as_root rm -f "$policy"
  return "$status"
}

install_fedora() {
  packages=$(missing_packages fedora)
  [ -n "$packages" ] || return 0
  say "installing packages: $(echo $packages)"
  as_root dnf install -y $packages
}

check_node() {
  command -v node >/dev/null && command -v npm >/dev/null || {
    say "Node.js and npm are missing; install Node.js 20 or newer (https://nodejs.org/en/download)" >&2
    exit 1
  }
  node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 3) ? 0 : 1)' || {
    say "Node.js $(node --version) is too old; 20.3 or newer is needed" >&2
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
  if [ -e "$stamp" ] && [ -z "$(find src tsconfig.build.json tsconfig.json package.json -newer "$stamp" -print -quit)" ]; then
    return 0
  fi
  say "compiling to dist/"
  # The stamp is older than what is compiled: a file changed meanwhile is compiled next time.
  mkdir -p dist
  touch "$stamp.new"
  npm run --silent build
  mv "$stamp.new" "$stamp"
}

if command -v apt-get >/dev/null; then
  install_debian
elif command -v dnf >/dev/null; then
  install_fedora
else
  packages=$(missing_packages fedora)
  [ -z "$packages" ] || { say "no apt-get or dnf here; install what is called $(echo $packages) on Fedora" >&2; exit 1; }
fi
check_node
install_npm
build_program
