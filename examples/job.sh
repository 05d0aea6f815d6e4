#!/bin/sh -e
# job.sh - training that may be killed at any moment: run it again until it is done
train='mbert-train -m mini --init random --lr 1e-3 -o job --train train.st.zst --eval test.st.zst --best auroc --save-every 5 --resume'
timeout -s KILL 0.7 $train || echo "killed: status $?"
until $train; do sleep 1; done
metrics plot training job/log.jsonl || echo 'gnuplot draws it'
