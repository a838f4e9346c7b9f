# Everything that runs on a builder beside its sshd, its login shell and the operator's signing program: this file, read by the
# static busybox that was sent with it, whose applets are the only programs used. It needs root and Linux 4.9 or newer.
#
#   probe                        -> what is installed and what runs, as lines (src/builders/probe-report.ts reads them)
#   objects, roots, jobs         -> names of the objects, of the build roots, and of the jobs that are here
#   put ROOT                     a gzipped tar: objects, and new/ROOT, whose files are links to objects
#   prune KEEP                   -> the roots that it removed: beyond so many, those longest unused of which no job is here
#   job JOB ROOT LISTING DIGEST EPOCH   a source package; starts its build, once the root and the package are what they should be
#   poll JOB OFFSET WAIT         -> `STATE TICKS SIZE`, then the log from OFFSET on; waits so many half seconds for the end of the job
#   sign JOB COMMAND             -> `DIGEST SIZE FILE` of each package, `.`, the signature in base64
#   fetch JOB                    -> the packages, one behind the other, in that order
#   drop JOB                     kills what is left of a job and removes it
#   tpm DEVICE COMMAND           -> what a TPM answers; the command is in base64
#   listing FOLDER               -> one digest of a tree: contents, kinds, modes, owners, what links lead to
#
# An object is a file named by SHA-256, mode, owner and group. A job's state is here and nowhere else: a connection that breaks
# changes nothing, and `poll` takes up where the last one ended. Its log, digests and exit code are files of jobs/JOB, and the
# digests are taken as soon as the last process of the build is gone.
set -euo pipefail
umask 022
export LC_ALL=C
b=${0%/*}
bb=$b/busybox

listing() {
  (cd "$1" && find . -type f -exec sha256sum {} + && find . -exec stat -c '%f %u %g %N' {} +) | sort | sha256sum | cut -c1-64
}

# Processor time of a job's processes: a build that prints nothing for an hour may be compiling.
ticks() {
  cat /proc/[0-9]*/stat 2> /dev/null | sed 's/^.*) //' | awk -v s="$1" '$4 == s {t += $12 + $13 + $14 + $15} END {print t + 0}'
}

build() {
  mkdir -p "$j/mnt" "$j/out" "$j/work/build" "$j/tmp"
  mv "$j/in.rpm" "$j/work/in.src.rpm"
  chown -R 1000:1000 "$j/work" "$j/tmp"
  "$bb" unshare -m -u -i -n -p -f --propagation private "$bb" sh "$0" inside "$@" && code=0 || code=$?
  find "$j/work/build/RPMS" -type f -links 1 -name '*.rpm' -exec mv {} "$j/out" \; || :
  (cd "$j/out" && for f in *.rpm; do
    if [ -f "$f" ]; then echo "$(sha256sum < "$f" | cut -c1-64) $(stat -c %s "$f") $f"; fi
  done) > "$j/digests"
  echo "$code" > "$j/state.new"
  mv "$j/state.new" "$j/state"
}

# In namespaces of its own: no network, no process of the machine, a read-only root, and a user that owns nothing but the build.
inside() {
  m=$j/mnt
  mount -o bind "$b/roots/$2" "$m"
  mount -o remount,bind,ro,nosuid "$m"
  mount -t proc proc "$m/proc"
  for d in dev run var; do mount -t tmpfs -o mode=755 "$d" "$m/$d"; done
  for n in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "$m/dev/${n%:*}" c 1 "${n#*:}"; done
  ln -s /proc/self/fd "$m/dev/fd"
  cp "$bb" "$m/dev/busybox"
  mkdir "$m/var/tmp" "$m/dev/shm"
  for d in tmp var/tmp; do mount -o bind "$j/tmp" "$m/$d"; done
  mount -o bind "$j/work" "$m/builddir"
  hostname localhost
  cd /
  exec "$bb" env -i PATH=/usr/bin:/usr/sbin HOME=/builddir LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH="$3" \
    "$bb" chroot "$m" /dev/busybox start-stop-daemon -S -c 1000:1000 -x /usr/bin/rpmbuild -- --rebuild /builddir/in.src.rpm \
    -D '_topdir /builddir/build' -D '_dbpath /usr/share/rpm' -D '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
    -D 'use_source_date_epoch_as_buildtime 1' -D 'clamp_mtime_to_source_date_epoch 1' \
    -D 'build_mtime_policy clamp_to_source_date_epoch' -D '_buildhost reproducible'
}

verb=$1; shift
j=$b/jobs/${1-}
case $verb in
  probe) . "$b/probe.sh" | gzip ;;
  objects | roots | jobs) { ls "$b/$verb" 2> /dev/null || :; } | gzip ;;
  put)
    rm -rf "$b/new" && mkdir "$b/new"
    gzip -d | tar -x -p --numeric-owner -C "$b" -f -
    mv "$b/new/$1" "$b/roots/$1" && rmdir "$b/new"
    ;;
  prune)
    # A root that an earlier version of this file used is as good as used now.
    for r in $(ls "$b/roots"); do [ -f "$b/used/$r" ] || : > "$b/used/$r"; done
    for r in $(ls -t "$b/used" | tail -n "+$(($1 + 1))"); do
      grep -qsx "$r" "$b"/jobs/*/root || { rm -rf "$b/roots/$r" "$b/used/$r" && echo "$r"; }
    done
    # While a root arrives, its objects have no second name yet.
    [ -d "$b/new" ] || find "$b/objects" -type f -links 1 -exec rm -f {} +
    ;;
  tpm)
    [ -c "$1" ] || { echo "$1 is no device" >&2; exit 1; }
    exec 3<> "$1"
    # A TPM takes a command in one piece, and gives its answer in one.
    echo "$2" | base64 -d | dd bs=4096 count=1 iflag=fullblock 2> /dev/null >&3
    dd bs=4096 count=1 2> /dev/null <&3
    ;;
  job)
    # Other roots stay: builds of others run in them, and what they are made of has names there, too.
    [ "$(listing "$b/roots/$2")" = "$3" ] || { rm -rf "$b/roots/$2" "$b/objects"; echo root; exit 0; }
    mkdir -p "$b/jobs" "$b/used" && mkdir -m 711 "$j"
    echo "$2" | tee "$j/root" > "$b/used/$2"
    cat > "$j/in.rpm"
    [ "$(sha256sum < "$j/in.rpm" | cut -c1-64)" = "$4" ] || { rm -rf "$j"; echo source; exit 0; }
    setsid "$bb" sh "$0" build "$1" "$2" "$5" < /dev/null > "$j/log" 2>&1 &
    echo $! > "$j/pid"
    echo started
    ;;
  build | inside | listing) "$verb" "$@" ;;
  poll)
    pid=$(cat "$j/pid")
    # One question that waits in place of many: each takes some hundredths of a second from the build that it asks for.
    for _ in $(seq "$3"); do [ -f "$j/state" ] || sleep 0.5; done
    grep -qs "$1" "/proc/$pid/cmdline" && state=run || state=gone
    [ ! -f "$j/state" ] || state=$(cat "$j/state")
    echo "$state $(ticks "$pid") $(stat -c %s "$j/log")"
    tail -c "+$(($2 + 1))" "$j/log" | head -c 8388608 || :
    ;;
  sign)
    { echo 'atomic-nightly-result v1' && echo "$1" && cut -c1-64 "$j/digests" | sort; } > "$j/text"
    cat "$j/digests"
    echo .
    /bin/sh -c "$2" < "$j/text" | base64
    ;;
  fetch) cut -d' ' -f3 "$j/digests" | while read -r f; do cat "$j/out/$f"; done ;;
  drop)
    pid=$(cat "$j/pid" 2> /dev/null || :)
    # Its number may be that of another process by now.
    ! grep -qs "$1" "/proc/$pid/cmdline" || kill -9 "-$pid" 2> /dev/null || :
    rm -rf "$j"
    ;;
esac
