#!/bin/sh
# Postern in plain workerd. The settings of the service come from the environment (postern.capnp says which there are), and so
# do three places; a relative one is in this folder:
#
#   POSTERN_SOCKET   the public socket, by default postern.sock: for this user and its group, so the reverse proxy's user
#                    must be in that group, and its folder must be there and let the group in
#   POSTERN_STATE    where state lives, by default state: made if it is missing, for this user alone
#   POSTERN_CRON     the cron socket, by default 127.0.0.1:8788: never where the public can reach it
#
# Arguments go to workerd; never say these three there, where lock and clean-up below do not see them.
set -eu
cd "$(dirname "$0")"
socket=${POSTERN_SOCKET:-postern.sock}
state=${POSTERN_STATE:-state}
cron=${POSTERN_CRON:-127.0.0.1:8788}

# What this makes is for its user and group: the socket has mode 770. What is stored is behind a folder of mode 700.
umask 007
mkdir -p "$state"
chmod 700 "$state"

# One process at a time: this starts itself again with the lock, which workerd inherits, and the kernel lets go of it when
# workerd ends, however it ends.
if [ -z "${POSTERN_LOCKED-}" ] && flock --help 2>&1 | grep -q -- --no-fork; then
  flock --nonblock "$state/.lock" true || { echo "error: another process serves the state in $state" >&2; exit 1; }
  export POSTERN_LOCKED=yes
  exec flock --no-fork --nonblock "$state/.lock" "./${0##*/}" "$@"
fi

# A process that was killed leaves its socket behind, and workerd does not take it over.
if [ -S "$socket" ]; then rm "$socket"; fi
exec ./workerd serve --experimental --socket-addr="http=unix:$socket" --socket-addr="cron=$cron" \
  --directory-path="state=$state" "$@" postern.capnp
