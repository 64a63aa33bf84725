#!/bin/sh
# Install the real servers and clients that the tests compare with (Debian, root).  Nothing is
# started: tests start the peers they need themselves, on free ports.
set -e
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "peers: needs Debian and root; tests that want a peer will be skipped" >&2
    exit 0
fi
missing=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
    awk '$2 == "installed" {print $1}' | sort >/tmp/peers.$$; printf '%s\n' "$@" | sort |
    comm -23 - /tmp/peers.$$; rm -f /tmp/peers.$$)
[ -n "$missing" ] || exit 0
policy=/usr/sbin/policy-rc.d
[ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; made=1; }
trap '[ -z "$made" ] || rm -f $policy' EXIT
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
