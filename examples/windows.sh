#!/bin/sh -e
# windows.sh - what do the local layers see?  the same batch with and without their windows
pack-batch prompts.st.zst -o b.st.zst
mbert-fwd -m guard --emit hidden b.st.zst -o local.st.zst
mbert-fwd -m guard --emit hidden --attention global b.st.zst -o global.st.zst
tens cmp --atol 1e-6 local.st.zst global.st.zst || echo 'the windows matter'
