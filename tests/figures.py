#!/usr/bin/env python3
"""figures.py EXPECTED.json < OURS: every field of ours equals the expected one: floats to
1e-9 relative + 1e-12 absolute, counts, thresholds and null exactly.  Lists what differs."""
import json, sys

LATER = {"temperature", "temperature_at_bound", "nll_at_temperature", "wilson", "ci", "boot", "seed"}
bad = []


def same(a, e, where):
    if isinstance(e, dict) and isinstance(a, dict) and set(a) == set(e):
        for k in e:
            same(a[k], e[k], where + "." + k)
    elif isinstance(e, list) and isinstance(a, list) and len(a) == len(e):
        for i, (x, y) in enumerate(zip(a, e)):
            same(x, y, "%s[%d]" % (where, i))
    elif isinstance(e, float) and isinstance(a, (int, float)) and not where.endswith(".threshold"):
        if not abs(a - e) <= 1e-9 * abs(e) + 1e-12:
            bad.append("%s: %r, expected %r" % (where, a, e))
    elif a != e or isinstance(a, bool) != isinstance(e, bool):
        bad.append("%s: %r, expected %r" % (where, a, e))


want = {k: v for k, v in json.load(open(sys.argv[1])).items() if k not in LATER}
ours = json.load(sys.stdin)
same(ours, want, "")
print("\n".join(bad))
sys.exit(bool(bad))
