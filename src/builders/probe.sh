# What is installed on a builder and what runs there, a line each; part of far.sh, which names the programs that may be used.
# A name that does not fit into a line makes the report one that cannot be read, and the machine is refused.
for d in /usr /etc /opt /boot /bin /sbin /lib /lib32 /lib64 /root /var/spool/cron; do
  [ ! -e "$d" ] || [ -L "$d" ] || set -- "$@" "$d"
  [ ! -L "$d" ] || echo "link $d $(readlink "$d")"
done
find "$@" -type f -exec sha256sum {} + | sed 's/^/file /'
find "$@" -exec stat -c 'stat %f %u %g %n' {} +
find "$@" -type l | while read -r f; do echo "to $f -> $(readlink "$f")"; done
for p in /proc/[0-9]*; do
  [ -e "$p/exe" ] || continue
  echo "exe ${p#/proc/} $(sha256sum < "$p/exe" | cut -c1-64) $(readlink "$p/exe")"
  sed -n 's/^TracerPid:[[:space:]]*/tracer '"${p#/proc/}"' /p' "$p/status" || :
  awk '$2 ~ /x/ && $6 ~ /^\// {$1 = $2 = $3 = $4 = $5 = ""; print substr($0, 6)}' "$p/maps" | sort -u | sed "s,^,map ${p#/proc/} ," || :
done 2> /dev/null
echo "kernel $(uname -r) $(uname -v)"
echo "cmdline $(cat /proc/cmdline)"
echo "tainted $(cat /proc/sys/kernel/tainted 2> /dev/null || echo 0)"
sed -n 's/^\([^ ]*\).* (\([A-Z]*\))$/module \1 \2/p' /proc/modules 2> /dev/null || :
sed 's/^/mount /' /proc/self/mountinfo
for f in /sys/kernel/security/lsm /sys/kernel/debug/kprobes/list; do
  # The kernel does not end the first one with a newline.
  [ ! -f "$f" ] || awk -v f="$f" '{print "text " f " " $0}' "$f"
done
echo end
