#!/usr/bin/env python3
"""figures.py EXPECTED.json < OURS: every field of the expected ones is ours and equal: floats
to 1e-9 relative + 1e-12 absolute (temperature 1e-6 relative), counts, thresholds and null
exactly.  Of fields that the reference does not have, ours are the ones named here.  Lists what
differs."""
import json, sys

OURS = {"precision", "recall", "f1"}
bad = []


def same(a, e, where):
    if isinstance(e, dict) and isinstance(a, dict) and set(a) - set(e) <= (OURS if not where else set()) and set(e) <= set(a):
        for k in e:
            same(a[k], e[k], where + "." + k)
    elif isinstance(e, dict) and isinstance(a, dict):
        bad.append("%s: fields %s" % (where, sorted(set(a) ^ set(e))))
    elif isinstance(e, list) and isinstance(a, list) and len(a) == len(e):
        for i, (x, y) in enumerate(zip(a, e)):
            same(x, y, "%s[%d]" % (where, i))
    elif isinstance(e, float) and isinstance(a, (int, float)) and not where.endswith(".threshold"):
        if not abs(a - e) <= (1e-6 if where == ".temperature" else 1e-9) * abs(e) + 1e-12:
            bad.append("%s: %r, expected %r" % (where, a, e))
    elif a != e or isinstance(a, bool) != isinstance(e, bool):
        bad.append("%s: %r, expected %r" % (where, a, e))


same(json.load(sys.stdin), json.load(open(sys.argv[1])), "")
print("\n".join(bad))
sys.exit(bool(bad))
