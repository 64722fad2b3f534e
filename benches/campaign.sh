#!/bin/sh
# The whole campaign, strictly one experiment after another (well over an hour).
# Needs: gcc, python3; Debian's daemontools, runit, s6; for the others see README.md.
#   SYSTEMS=limit,abide,s6,daemontools,runit ./campaign.sh
# A narrower choice of systems is a shorter campaign; `limit` and a rival belong in every one.
set -e
cd "$(dirname "$0")"
./build.sh >/dev/null
ALL=${SYSTEMS:-limit,abide,daemontools,runit,s6,supervisord,circus,pm2}
B="python3 bench.py run"
$B --exp latency --systems ${SYSTEMS:-limit,abide,daemontools,runit,s6,s6+notify,s6-t5000,supervisord,circus,pm2} --reps 12
$B --exp death --systems ${SYSTEMS:-abide,daemontools,runit,s6,supervisord,circus,pm2}
$B --exp spawnloop --systems limit --n 100,1000,5000 --rounds 5
$B --exp bulk --systems $ALL --n 100,1000 --rounds 3
[ -n "$SYSTEMS" ] || $B --exp bulk --tag bulk-sh --systems limit,daemontools+sh,runit+sh,s6+sh --n 1000 --modes boot --rounds 3
$B --exp bulk --tag bulk-5000 --systems ${SYSTEMS:-limit,abide,daemontools,runit,s6,supervisord,circus} --n 5000 --modes boot
$B --exp loaded --systems $ALL --n 100,1000
$B --exp single --systems $ALL --n 10,100,990
$B --exp log --systems $ALL --lines 100 --log-secs 11 --reps 3
$B --exp log --tag log-20-4096 --systems $ALL --lines 20,4096 --log-secs 5 --reps 3
$B --exp log --tag log-perline --systems $ALL --lines 100 --chunk 0 --log-secs 4 --reps 3
# blocks that do not match the pipe size: does rotation cut lines?
$B --exp log --tag log-cut --systems $ALL --lines 100 --chunk 30000 --log-bytes 50331648 --log-secs 1000 --reps 1
python3 bench.py report raw/*.json
