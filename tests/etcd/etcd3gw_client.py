"""Python's etcd3gw at one node whose cluster loses its leader: told by a test, line by line.

It locks, keeps a lease and watches, says "ready", waits for a line, and then says as JSON what is left of it.
"""

import json
import sys
import threading

from etcd3gw import client as open_client
from etcd3gw import exceptions


def until_it_works(work):
    """What applications do: while there is no leader, requests are refused."""
    for _ in range(600):
        try:
            return work()
        except (exceptions.InternalServerError, exceptions.ConnectionFailedError,
                exceptions.ConnectionTimeoutError, exceptions.Etcd3Exception):
            threading.Event().wait(0.1)
    raise RuntimeError("no leader")


def main():
    etcd = open_client(host="127.0.0.1", port=int(sys.argv[1]), timeout=10)
    lock = etcd.lock("jobs", ttl=120)
    acquired = until_it_works(lock.acquire)
    lease = until_it_works(lambda: etcd.lease(120))
    until_it_works(lambda: etcd.put("session", "mine", lease=lease))
    events, cancel = etcd.watch("changed")
    seen = []

    def watch():
        for event in events:
            seen.append(event["kv"]["value"].decode())
            if seen[-1] == "after":
                return

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    until_it_works(lambda: etcd.put("changed", "before"))
    print(json.dumps({"acquired": acquired, "members": len(etcd.members())}), flush=True)

    sys.stdin.readline()
    until_it_works(lambda: etcd.put("changed", "after"))
    watching.join(60)
    refreshed = until_it_works(lock.refresh)
    second = etcd.lock("jobs", ttl=120)
    print(json.dumps({
        "seen": seen,
        "held": until_it_works(lock.is_acquired),
        "refreshed": refreshed,
        "second": until_it_works(second.acquire),
        "session": [value.decode() for value in until_it_works(lambda: etcd.get("session"))],
        "keys": [key.decode() for key in until_it_works(lease.keys)],
        "ttl": until_it_works(lease.refresh),
        "swapped": until_it_works(lambda: etcd.replace("changed", "after", "swapped")),
        "released": until_it_works(lock.release),
    }), flush=True)
    cancel()


main()
