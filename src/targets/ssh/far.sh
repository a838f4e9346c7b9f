# What runs at the far end of an ssh target: a POSIX shell with GNU coreutils, findutils, tar and flock(1), answering
# one request after another for as long as its input lasts. Requests are lines, some followed by as many bytes as they
# say; paths stand on lines or in NUL-separated lists of their own and are never part of a command. Every answer is a
# number of lines and then `ok`. Any fault ends the shell with a message on standard error.
#
#   put BYTES once|again|new   a tar archive and the line `go`; -> SIZE of each file that was there already (once: with that
#                         size, others are replaced; new: whatever is there stays)
#   flush                 makes durable what was put
#   have BYTES            a list of paths; -> `SIZE PATH` of each that is there
#   digest BYTES          a list of paths; -> for each the SHA-256 of the file, or `-`; `unreadable` for what is none
#   read COUNT MOST       COUNT lines with a path; -> for each its content in lines of base64 and then `.`; or `-`; or
#                         `unreadable` for what is no file; or `large` for one of more than MOST bytes
#   links                 a line with a folder; -> PATH, a tab and what it leads to of each symbolic link below it
#   swap                  lines `e SIZE PATH` (expect), `p SIZE PATH` (put) and `s SIZE PATH` (the signature of the next
#                         line's file), each followed by SIZE bytes (`-`: no file), and `go`;
#                         -> nothing, `moved PATH` or `locked`. With `wait` instead of `go`: `held` once all that is
#                         expected holds, and the lock is kept until further such lines and `go` have arrived; -> nothing
#   list                  a line with a folder; -> `SIZE PATH` of each file, PATH below the folder
#   remove BYTES, mkdir BYTES   a list of paths
#   check                 -> `lacks PROGRAM` of each that is missing
#
# All that arrives is first staged under .atomic-nightly/, which only the account may enter, and is complete before
# anything changes: a connection that breaks leaves nothing behind but the end of its input, on which the shell tidies up
# and ends. From the stage files get their names by hard link (`cp -l`, one process for all of them) or by rename.
# How `cp -n` ends when it leaves a file alone differs between releases of coreutils, so its result is looked at instead.

set -eu
umask 022
LC_ALL=C
export LC_ALL
root=$1
own=.atomic-nightly
stage=
# Another publisher may be making it at the same moment.
[ -d "$root" ] || mkdir -- "$root" || [ -d "$root" ]
cd -- "$root"

clean() {
  [ -z "$stage" ] || rm -rf -- "$stage"
  stage=
}
trap clean EXIT
trap 'exit 1' HUP INT PIPE TERM

open_stage() {
  mkdir -p -m 700 -- "$own"
  # Another connection may be removing its own at the same moment.
  find "$own" -maxdepth 1 -name 'incoming-*' -mmin +1440 -exec rm -rf -- {} + 2> /dev/null || :
  stage=$(mktemp -d "$own/incoming-XXXXXXXX")
}

next_line() {
  IFS= read -r line || exit 1
}

take() {
  head -c "$1" > "$2"
  [ "$(stat -c %s -- "$2")" = "$1" ]
}

flush() {
  sync -f . 2>/dev/null || sync
}

put() {
  open_stage
  mkdir -- "$stage/tree"
  head -c "$1" | tar -xmf - --no-same-owner --no-same-permissions -C "$stage/tree"
  next_line
  [ "$line" = go ]
  if [ "$2" = again ]; then move_all; else link_all "$2"; fi
  echo ok
  # Nobody need wait for it.
  rm -rf -- "$stage" > /dev/null 2>&1 &
  stage=
}

link_all() {
  cp -rlnT -- "$stage/tree" . || :
  # What has only one name was left alone.
  (cd "$stage/tree" && find . -type f -links 1 -printf '%s %P\n') > "$stage/left"
  [ -s "$stage/left" ] || return 0
  if [ "$1" = new ]; then
    cut -d ' ' -f 1 "$stage/left"
    return 0
  fi
  cut -d ' ' -f 2- "$stage/left" | tr '\n' '\0' > "$stage/names"
  xargs -0 stat -c '%s %n' -- < "$stage/names" > "$stage/there" 2> /dev/null || :
  sort "$stage/left" > "$stage/left.sorted"
  sort "$stage/there" > "$stage/there.sorted"
  comm -12 "$stage/left.sorted" "$stage/there.sorted" | cut -d ' ' -f 1
  comm -23 "$stage/left.sorted" "$stage/there.sorted" > "$stage/damaged"
  while next_damaged; do
    make_parent "$path"
    mv -fT -- "$stage/tree/$path" "./$path"
  done < "$stage/damaged"
}

next_damaged() {
  IFS= read -r line || return 1
  path=$(printf '%s\n' "$line" | cut -d ' ' -f 2-)
}

move_all() {
  flush
  find "$stage/tree" -type d -printf '%P\n' > "$stage/folders"
  while IFS= read -r folder; do
    mkdir -p -- "./$folder"
    find "$stage/tree/$folder" -maxdepth 1 -type f -exec mv -f -t "./$folder" -- {} +
  done < "$stage/folders"
}

make_parent() {
  case $1 in
    */*) mkdir -p -- "./${1%/*}" ;;
  esac
}

read_files() {
  count=$1
  while [ "$count" -gt 0 ]; do
    next_line
    if [ -f "./$line" ]; then
      if [ "$(stat -L -c %s -- "./$line")" -gt "$2" ]; then
        echo large
      else
        base64 -w 1048576 -- "./$line"
        echo .
      fi
    elif [ -e "./$line" ]; then
      echo unreadable
    else
      echo -
    fi
    count=$((count - 1))
  done
  echo ok
}

# The stage's file N has the content of the plan's line N; there is none for a file that must not exist.
read_plan() {
  while next_line; [ "$line" != go ] && [ "$line" != wait ]; do
    count=$((count + 1))
    kind=${line%% *}
    rest=${line#* }
    size=${rest%% *}
    printf '%s %s %s\n' "$count" "$kind" "${rest#* }" >> "$stage/plan"
    [ "$size" = - ] || take "$size" "$stage/$count"
  done
}

# Whoever may read a file may lock it, and this folder is there to be read: the lock is for its owner and group alone.
make_lock() {
  umask 007
  : >> .atomic-nightly.lock
  umask 022
  chmod o= .atomic-nightly.lock 2> /dev/null || :
}

swap() {
  open_stage
  count=0
  read_plan
  make_lock
  exec 9>> .atomic-nightly.lock
  if flock -n 9; then
    moved=
    each_planned compare
    if [ -z "$moved" ]; then
      if [ "$line" = wait ]; then
        echo held
        echo ok
        read_plan
      fi
      flush
      each_planned replace
    else
      printf 'moved %s\n' "$moved"
    fi
  else
    echo locked
  fi
  exec 9>&-
  echo ok
  clean
}

each_planned() {
  while IFS= read -r planned; do
    number=${planned%% *}
    planned=${planned#* }
    "$1" "$number" "${planned%% *}" "${planned#* }"
  done < "$stage/plan"
}

compare() {
  [ "$2" = e ] || return 0
  if [ -e "$stage/$1" ]; then
    cmp -s -- "$stage/$1" "./$3" || moved=$3
  elif [ -e "./$3" ]; then
    moved=$3
  fi
}

# A signature waits in the stage for what it signs, and one process renames both: hardly a kill comes in between.
replace() {
  [ "$2" != e ] || return 0
  mkdir -p -- "$stage/put"
  mv -- "$stage/$1" "$stage/put/${3##*/}"
  [ "$2" = p ] || return 0
  make_parent "$3"
  case $3 in
    */*) folder=${3%/*} ;;
    *) folder=. ;;
  esac
  set -- "$stage/put/${3##*/}"
  for signature in "$1.sig" "$1.asc"; do
    [ ! -e "$signature" ] || set -- "$signature" "$1"
  done
  mv -f -t "./$folder" -- "$@"
  # Before the next one: after a power cut, too, the order must hold.
  sync -- "./$folder" 2> /dev/null || sync
}

with_list() {
  open_stage
  take "$1" "$stage/list"
  shift
  xargs -0 -r "$@" < "$stage/list"
  echo ok
  clean
}

# A link to a file is one, as for a web server: `ostree refs --alias` makes such.
list_below() {
  find "./$line" -type f ! -path '*
*' -printf '%s %P\n'
  find "./$line" -type l -xtype f ! -path '*
*' -printf '%P\n' | while IFS= read -r link; do
    printf '%s %s\n' "$(stat -L -c %s -- "./$line/$link")" "$link"
  done
}

# A line break in what a link leads to becomes a question mark: it leads nowhere then.
links_below() {
  find "./$line" -type l ! -path '*
*' -printf '%P\t%l\0' | tr '\n\0' '?\n'
}

# Names never come to sha256sum: it would escape some of them.
digest='for path do
  if [ -f "./$path" ]; then sum=$(sha256sum < "./$path") && echo "${sum%% *}"
  elif [ -e "./$path" ]; then echo unreadable
  else echo -
  fi
done'

check() {
  for program in base64 chmod cmp comm cp cut find flock head mktemp mv sha256sum sort stat sync tar tr xargs; do
    command -v "$program" > /dev/null || echo "lacks $program"
  done
  for program in cp find tar; do
    "$program" --version 2> /dev/null | grep -q GNU || echo "lacks GNU $program"
  done
  open_stage
  : > "$stage/one"
  ln -- "$stage/one" "$stage/two" || echo 'lacks hard links'
  make_lock
  echo ok
  clean
}

# What a start file of the account printed may have no end of its line.
printf '\natomic-nightly ready\n'
while IFS= read -r request; do
  IFS=' '
  set -f
  set -- $request
  set +f
  case $1 in
    put) put "$2" "$3" ;;
    flush) flush; echo ok ;;
    have) with_list "$2" sh -c 'stat -c "%s %n" -- "$@" 2> /dev/null || :' sh ;;
    digest) with_list "$2" sh -c "$digest" sh ;;
    read) read_files "$2" "$3" ;;
    swap) swap ;;
    list)
      next_line
      [ ! -d "./$line" ] || list_below
      echo ok
      ;;
    links)
      next_line
      [ ! -d "./$line" ] || links_below
      echo ok
      ;;
    remove) with_list "$2" rm -f -- ;;
    mkdir) with_list "$2" mkdir -p -- ;;
    check) check ;;
    *) echo "unknown request: $1" >&2; exit 1 ;;
  esac
done
