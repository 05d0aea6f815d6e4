#!/bin/sh -e
# budget.sh - the size of a batch costs memory or time, but does not change the result
pack-batch --tokens 64 prompts.st.zst | mbert-fwd -m guard -o small.st.zst
pack-batch --tokens 65536 prompts.st.zst | mbert-fwd -m guard -o large.st.zst
tens count small.st.zst large.st.zst
tens cmp --atol 1e-5 --name pooled small.st.zst large.st.zst
