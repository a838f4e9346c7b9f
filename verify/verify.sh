#!/bin/sh
# Checks, without a network, that a file or an OSTree commit is in the release log of whoever published it.
#
#   sh verify.sh -p POLICY [-n NAME] FILE PROOF        a downloaded file
#   sh verify.sh -p POLICY [-r REF] -c COMMIT PROOF    a commit of an OSTree repository
#   sh verify.sh -k VKEY ...                           one log, and no witnesses
#   sh verify.sh -g KEYS ...                           logs that an OpenPGP key signs, where openssl is older than 3
#
# POLICY says which log and which witnesses to trust (c2sp.org/tlog-policy); have it from somewhere else than FILE.
# PROOF is log/proofs/....tlog-proof on the server (c2sp.org/tlog-proof), with the entry of the log in its "extra" line.
# NAME is what the file is called in the log, where it is called otherwise here.
# Exit code: 0 it is in the log, 1 it is not, 2 the command line is wrong.
# Needs openssl 3 (with -g an older one does, and gpg with gpgv) and, of coreutils or busybox, awk cat date head mktemp mv rm tail tr wc.

LC_ALL=C; export LC_ALL
set -f

usage() { echo 'usage: verify.sh -p POLICY | -k VKEY | -g KEYS  [-n NAME] FILE | [-r REF] -c COMMIT  PROOF' >&2; exit 2; }
no() { echo "refused: $*" >&2; exit 1; }

hash() { openssl dgst -sha256 -binary; }
hex_hash() { set -- $(openssl dgst -sha256 -r); echo "$1"; }

# Whether a file has none but these bytes, and a line feed at its end, which $() takes away.
is_text() { [ "$(tr -d "$2" < "$1" | wc -c)" -eq 0 ] && [ -z "$(tail -c 1 < "$1")" ]; }

# For awk: decode() gives the bytes of base64 as octal escapes for printf, and nothing for what is not the one spelling of these bytes.
decode='
  BEGIN {
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (i = 0; i < 64; i++) value[substr(letters, i + 1, 1)] = i
  }
  function decode(text, i, j, bits, bytes, filled) {
    if (length(text) > 8192 || text !~ /^[A-Za-z0-9+\/]+=?=?$/ || length(text) % 4) return ""
    for (i = 1; i <= length(text); i += 4) {
      bits = 0
      for (j = 0; j < 4; j++) bits = bits * 64 + value[substr(text, i + j, 1)]
      bytes = bytes sprintf("\\%03o\\%03o\\%03o", int(bits / 65536), int(bits / 256) % 256, bits % 256)
    }
    filled = text ~ /==$/ ? 8 : text ~ /=$/ ? 4 : 0
    if (substr(bytes, length(bytes) - filled + 1) !~ /^[\\0]*$/) return ""
    return substr(bytes, 1, length(bytes) - filled)
  }
  function bad(why) { print why > (t "why"); failed = 1; exit 1 }'

# Whether the key in $t/key made that signature (octal escapes) over $t/message.
is_signed() {
  printf "$1" > "$t/signature"
  openssl pkeyutl -verify -pubin -keyform DER -inkey "$t/key" -rawin -in "$t/message" -sigfile "$t/signature" > /dev/null 2>&1
}

# Puts an Ed25519 key (octal escapes) into $t/key as openssl takes it, once it is known to fit its name and id. $4: with its type
use_key() {
  case $({ printf '%s\n' "$1"; printf "$4"; } | hex_hash) in "$2"*) ;; *) no "name and id of the public key of $1 do not fit it" ;; esac
  printf '\060\052\060\005\006\003\053\145\160\003\041\000'"${4#????}" > "$t/key"
}

# Whether the log with that name and id signed the checkpoint. A signature of its own that is wrong refuses all.
by_log() {
  printf '%s\n' "$text" > "$t/message"
  found=1
  while read -r id time signature name; do
    [ "$id $name" = "$2 $1" ] || continue
    [ "$time" = - ] && is_signed "$signature" || no "the signature of the log $1 is wrong"
    found=0
  done < "$t/signers"
  return "$found"
}

# Whether a key in $t/keys signed the checkpoint with OpenPGP: a line of the log's own name has the signature.
by_openpgp() {
  printf '%s\n' "$text" > "$t/message"
  while read -r id time signature name; do
    [ "$name" = "$origin" ] || continue
    printf "$signature" > "$t/signature"
    case $(gpgv --homedir "$t" --keyring "$t/keys" --status-fd 1 "$t/signature" "$t/message" 2> /dev/null) in
      *'[GNUPG:] GOODSIG '*) return 0 ;;
    esac
  done < "$t/signers"
  return 1
}

# Whether the witness with that name and id cosigned the checkpoint, and when.
by_witness() {
  found=1
  while read -r id time signature name; do
    [ "$id $name" = "$2 $1" ] || continue
    [ "$time" != - ] || no "the cosignature of $1 has no time that can be"
    printf 'cosignature/v1\ntime %s\n%s\n' "$time" "$text" > "$t/message"
    is_signed "$signature" || no "the cosignature of $1 is wrong"
    [ "$time" -ge 1577836800 ] || no "$1 cosigned in a year when there were no witnesses"
    [ "$time" -le "$(($(date +%s) + 86400))" ] || no "$1 cosigned in the future, or the clock of this machine is wrong"
    found=0 when=$time
  done < "$t/signers"
  return "$found"
}

policy='' vkey='' keys='' called='' commit='' ref=''
while getopts :c:g:k:n:p:r: option; do
  case $option in
    c) commit=$OPTARG ;;
    g) keys=$OPTARG ;;
    k) vkey=$OPTARG ;;
    n) called=$OPTARG ;;
    p) policy=$OPTARG ;;
    r) ref=$OPTARG ;;
    *) usage ;;
  esac
done
shift "$((OPTIND - 1))"
case ${policy:+p}${vkey:+k}${keys:+g} in p | k | g) ;; *) usage ;; esac
if [ -n "$commit" ]; then
  [ "$#" -eq 1 ] && [ -z "$called" ] && [ "${#commit}" -eq 64 ] || usage
  case $commit in *[!0-9a-f]*) usage ;; esac
else
  [ "$#" -eq 2 ] && [ -z "$ref" ] || usage
  file=$1
  shift
  [ -f "$file" ] || no "there is no file $file"
fi
proof=$1
[ -f "$proof" ] || no "there is no proof $proof"

case ${keys:+-rawin}$(openssl pkeyutl -help 2>&1) in
  *-rawin*) ;;
  *) no 'the openssl here cannot verify Ed25519 signatures, OpenSSL 3 can: check on another machine, or with the OpenPGP keys of the project (-g KEYS)' ;;
esac

t=$(mktemp -d) || no 'there is no room for temporary files'
trap 'rm -rf "$t"' EXIT
trap 'exit 1' HUP INT TERM

# The proof: its head, the checkpoint, and the signatures, each behind an empty line.
[ "$(wc -c < "$proof")" -le 1048576 ] || no 'the proof is too long'
is_text "$proof" '\012\040-\176\200-\377' || no 'the proof is not text, or was cut short'
: > "$t/hashes"
awk -v t="$t/" "$decode"'
  function decimal(octal, i, n) {
    for (i = 2; i < length(octal); i += 4) n = n * 256 + substr(octal, i, 1) * 64 + substr(octal, i + 1, 1) * 8 + substr(octal, i + 2, 1)
    return sprintf("%.0f", n)
  }
  function number(text) { return text ~ /^(0|[1-9][0-9]*)$/ && length(text) <= 16 }
  $0 == "" { part++; next }
  part == 0 && NR == 1 { if ($0 != "c2sp.org/tlog-proof@v1") bad("the proof is malformed"); next }
  part == 0 && NR == 2 { if (!sub(/^extra /, "")) bad("the proof has no entry"); print > (t "extra"); next }
  part == 0 && NR == 3 { if (!sub(/^index /, "") || !number($0)) bad("the proof has no index"); at = $0; next }
  part == 0 { if (length(decode($0)) != 128) bad("a hash in the proof is malformed"); print decode($0) > (t "hashes"); next }
  part == 1 { print > (t "text"); line[++lines] = $0; next }
  part == 2 {
    name = $0
    sub(/^\342\200\224 /, "", name)
    sub(/ [^ ]*$/, "", name)
    bytes = decode($NF)
    if (name !~ /^[^ +]+$/ || $0 != "\342\200\224 " name " " $NF || length(bytes) < 20) bad("a signature line is malformed")
    if (++signers > 100) bad("the checkpoint has too many signatures")
    time = "-"
    if (length(bytes) == 304 && substr(bytes, 17, 12) == "\\000\\000\\000") time = decimal(substr(bytes, 29, 20))
    print substr(bytes, 1, 16), time, substr(bytes, time == "-" ? 17 : 49), name > (t "signers")
  }
  END {
    if (failed) exit 1
    if (at == "" || part != 2 || !signers || lines < 3) bad("the proof is malformed, or has no checkpoint")
    if (line[1] !~ /^[^ +]+$/) bad("the checkpoint has no origin")
    if (!number(line[2])) bad("the checkpoint has no size")
    if (length(decode(line[3])) != 128) bad("the checkpoint has no root")
    print at, line[2], line[3], line[1]
  }' < "$proof" > "$t/head" || no "$(cat "$t/why")"
read -r index size root origin < "$t/head"
text=$(cat "$t/text")

# The way from the entry to the root (RFC 9162, 2.1.3.2).
openssl base64 -d -A < "$t/extra" > "$t/entry" 2> /dev/null
[ "$(openssl base64 -A < "$t/entry")" = "$(cat "$t/extra")" ] || no 'the entry in the proof is no base64'
[ "$index" -lt "$size" ] || no 'the proof is for an entry that the log does not have'
{ printf '\000'; cat "$t/entry"; } | hash > "$t/node"
fn=$index sn=$((size - 1))
while read -r sibling; do
  [ "$sn" -gt 0 ] || no 'the proof has too many hashes'
  if [ "$((fn % 2))" -eq 1 ] || [ "$fn" -eq "$sn" ]; then
    { printf '\001'"$sibling"; cat "$t/node"; } | hash > "$t/parent"
    while [ "$((fn % 2))" -eq 0 ]; do fn=$((fn / 2)) sn=$((sn / 2)); done
  else
    { printf '\001'; cat "$t/node"; printf "$sibling"; } | hash > "$t/parent"
  fi
  mv "$t/parent" "$t/node"
  fn=$((fn / 2)) sn=$((sn / 2))
done < "$t/hashes"
[ "$sn" -eq 0 ] || no 'the proof has too few hashes'
[ "$(openssl base64 -A < "$t/node")" = "$root" ] || no 'the entry is not in the log: the proof does not lead to the root'

# The policy: lines that name keys, with these taken apart, and groups with how many of them are needed.
if [ -n "$keys" ]; then
  [ -f "$keys" ] || no "there is no file of keys $keys"
  command -v gpgv > "$t/gpgv" || no 'with -g this needs gpgv, of GnuPG'
  case $(head -c 5 < "$keys" | tr -d '\000') in
    -----) gpg --homedir "$t" --batch --dearmor < "$keys" > "$t/keys" 2> /dev/null ;;
    *) cat < "$keys" > "$t/keys" ;;
  esac
  : > "$t/rules"
elif [ -n "$vkey" ]; then
  printf 'log %s\nquorum none\n' "$vkey" > "$t/policy"
else
  [ -f "$policy" ] || no "there is no policy $policy"
  is_text "$policy" '\011\012\040-\176\200-\377' || no 'the policy is not text, or was cut short'
  cat < "$policy" > "$t/policy"
fi
[ -n "$keys" ] || awk -v t="$t/" "$decode"'
  function key(vkey, type, name, id, bytes, octal, i) {
    name = id = vkey
    sub(/\+.*/, "", name)
    sub(/^[^+]*\+/, "", id)
    bytes = id
    sub(/^[^+]*\+/, "", bytes)
    sub(/\+.*/, "", id)
    bytes = decode(bytes)
    if (name == "" || id !~ /^[0-9a-f]*$/ || length(id) != 8 || length(bytes) != 132) bad("this is no public key: " vkey)
    if (substr(bytes, 1, 4) != type) bad("this public key is of another kind: " vkey)
    if (raw[substr(bytes, 5)]++) bad("this public key stands twice: " vkey)
    for (i = 1; i < 9; i += 2) octal = octal sprintf("\\%03o", hex(substr(id, i, 1)) * 16 + hex(substr(id, i + 1, 1)))
    return name " " id " " octal " " bytes
  }
  function hex(digit) { return index("0123456789abcdef", digit) - 1 }
  function fresh(name) { return name != "none" && !known[name]++ }
  NF == 0 || $1 ~ /^#/ { next }
  $1 == "log" && (NF == 2 || NF == 3) { print "log log", key($2, "\\001"); logs++; next }
  $1 == "witness" && (NF == 3 || NF == 4) && fresh($2) { print "witness", $2, key($3, "\\004"); next }
  $1 == "group" && NF >= 4 {
    needed = $3 == "any" ? 1 : $3 == "all" ? NF - 3 : $3
    if (needed !~ /^[1-9][0-9]*$/ || needed + 0 > NF - 3) bad("the policy is malformed: a group needs more than it has, or nobody")
    for (i = 4; i <= NF; i++) if (!known[$i] || grouped[$i]++) bad("the policy is malformed: a member of a group")
    if (!fresh($2)) bad("the policy is malformed: a name stands twice")
    $3 = needed
    print
    next
  }
  $1 == "quorum" && NF == 2 && ($2 == "none" || known[$2]) { print; quorums++; next }
  { bad("the policy is malformed: line " NR) }
  END { if (failed) exit 1; if (!logs || quorums != 1) bad("the policy is malformed: it needs a log and one quorum") }' \
  < "$t/policy" > "$t/rules" || no "$(cat "$t/why")"

# Who signed: the log, and enough of the witnesses. What a line names stands on lines before it.
logged='' have=' ' who=''
while read -r kind member rest; do
  set -- $rest
  case $kind in
    log)
      use_key "$@"
      [ "$1" = "$origin" ] && by_log "$1" "$3" && logged=yes
      ;;
    witness)
      use_key "$@"
      by_witness "$1" "$3" && have="$have$member " who="$who, cosigned by $member on $(date -u -d "@$when" +%Y-%m-%d)"
      ;;
    group)
      needed=$1
      shift
      for one; do case $have in *" $one "*) needed=$((needed - 1)) ;; esac; done
      [ "$needed" -gt 0 ] || have="$have$member "
      ;;
    quorum) case " none$have" in *" $member "*) ;; *) no "too few witnesses of the policy cosigned$who" ;; esac ;;
  esac
done < "$t/rules"
[ -z "$keys" ] || { by_openpgp && logged=yes who=', signed with OpenPGP'; }
[ -n "$logged" ] || no 'the checkpoint is not signed by the log that is trusted'

# The entry: two lines, and what is asked for is in the second.
is_text "$t/entry" '\012\040-\176\200-\377' && [ "$(wc -l < "$t/entry")" -eq 2 ] || no 'the entry is not one of a release log'
[ "$(head -n 1 "$t/entry")" = atomic-nightly/1 ] || no 'the entry is not one of a release log, or of a later version of it'
if [ -n "$commit" ]; then
  found=$(C=$commit R=$ref awk '
    NR == 2 && index($0, "{\"commit\":\"" ENVIRON["C"] "\",\"kind\":\"ref\",") == 1 {
      split($0, parts, ",\"ref\":\"")
      ref = substr(parts[2], 1, index(parts[2], "\"") - 1)
      if (ref != "" && (ENVIRON["R"] == "" || ENVIRON["R"] == ref)) print "commit " ENVIRON["C"] " of " ref
    }' "$t/entry")
  [ -n "$found" ] || no "the entry is about another commit than $commit, or another ref"
else
  called=${called:-${file##*/}}
  found=$(N=$called D="\"sha256\":\"$(hex_hash < "$file")\",\"size\":$(wc -c < "$file" | tr -d ' ')}" awk '
    function is(path, name) { return path == name || substr(path, length(path) - length(name)) == "/" name }
    NR == 2 {
      name = ENVIRON["N"]
      digest = ENVIRON["D"]
      if (name == "SHA256SUMS" && index($0, "\"sums\":{" digest) || name == "meta.json" && index($0, "\"record\":{" digest)) found = name
      for (rest = $0; (at = index(rest, "\"," digest)) > 0; rest = substr(rest, at + length(digest) + 2)) {
        n = split(substr(rest, 1, at - 1), parts, "[{]\"path\":\"")
        if (n > 1 && !index(parts[n], "\"") && is(parts[n], name)) found = parts[n]
      }
      n = split($0, parts, "\"id\":\"")
      if (found != "") print found (n > 1 ? " of build " substr(parts[2], 1, index(parts[2], "\"") - 1) : "")
    }' "$t/entry")
  [ -n "$found" ] || no "the entry names no file $called with the bytes of $file"
fi
case $size in 1) entries='1 entry' ;; *) entries="$size entries" ;; esac
echo "ok: $found is entry $index of the log $origin, which had $entries$who"
