# bpe-tok-labels.bats - classes of tokens from labelled stretches of text, and their way to the logits
load helper

setup_file() { FIXTURES=$("$ROOT/tests/fixtures.sh"); export FIXTURES; }
setup() {
    M=$ROOT/examples/mini
    NAMES=O,B-PER,I-PER,B-LOC,I-LOC
    cd "$TMP"
}

# lines LINE...: the input; labels OPTION...: the classes of each line's tokens
lines() { printf '%s\n' "$@" > in.jsonl; }
labels() { bpe-tok -m "$M" --task token "$@" in.jsonl | tens cat --json | sed 's/.*"label":\[\([-0-9,]*\)\].*/\1/'; }

# a token classifier of three classes that knows nothing: the fixture's weights, two of its rows and a third
token_model() {
    need_numpy
    mkdir -p tagger
    cp "$FIXTURES/guard/tokenizer.json" tagger
    "$PYTHON" - "$FIXTURES/guard" tagger <<'END'
import json, struct, sys
import numpy as np
c = json.load(open(sys.argv[1] + "/config.json"))
c.pop("problem_type", None)
c["architectures"] = ["ModernBertForTokenClassification"]
c["id2label"] = {"0": "O", "1": "PER", "2": "LOC"}
c["label2id"] = {v: int(k) for k, v in c["id2label"].items()}
json.dump(c, open(sys.argv[2] + "/config.json", "w"))
b = open(sys.argv[1] + "/model.safetensors", "rb").read()
n = struct.unpack("<Q", b[:8])[0]
header, data = json.loads(b[8:8 + n]), b[8 + n:]
out, at, body = {}, 0, b""
for name, t in header.items():
    if name == "__metadata__":
        continue
    x = data[t["data_offsets"][0]:t["data_offsets"][1]]
    if name.startswith("classifier."):
        a = np.frombuffer(x, "<f4").reshape(t["shape"])
        a = np.concatenate([a, a[:1] * 0.5])
        x, t["shape"] = a.tobytes(), list(a.shape)
    out[name] = dict(dtype=t["dtype"], shape=t["shape"], data_offsets=[at, at + len(x)])
    at, body = at + len(x), body + x
h = json.dumps(out).encode()
h += b" " * (-len(h) % 8)
open(sys.argv[2] + "/model.safetensors", "wb").write(struct.pack("<Q", len(h)) + h + body)
END
}

@test "--task token: the first token of a word has its class, the rest -100" {
    lines '{"text":"Ada Lovelace lived in London","labels":[{"start":22,"end":28,"label":"LOC"},{"start":0,"end":12,"label":"PER","by":"me"}]}' \
        '{"text":"nothing here","labels":[]}' '{"text":"none","labels":null}' '{"text":"none"}'
    bpe-tok -m "$M" --task token --labels O,PER,LOC in.jsonl > a
    tens ls a | grep -q 'labels=\["O","PER","LOC"\].*task=token' || { tens ls a; false; }
    # Ada: 3 pieces, Lovelace: 5, lived: 3, in: 1, London: 3
    [ "$(labels --labels O,PER,LOC | head -n 1)" = -100,1,-100,-100,1,-100,-100,-100,0,-100,-100,0,2,-100,-100,-100 ]
    [ "$(labels --labels O,PER,LOC | sed -n 2p)" = -100,0,-100,-100,0,-100 ]
    [ "$(labels --labels O,PER,LOC | sed -n '3,4p' | uniq)" = -100,-100,-100,-100 ]
    tens ls a | grep -q 'labels I32\[30\]' || { tens ls a; false; }
    # the name O is the class outside; without it class 0 is
    [ "$(labels --labels PER,LOC,O --no-special | sed -n 2p)" = 2,-100,-100,2 ]
    [ "$(labels --labels PER,LOC --no-special | sed -n 2p)" = 0,-100,-100,0 ]
    # numbers, and a field of another name
    lines '{"prompt":"a b","y":[{"start":2,"end":3,"label":1}],"labels":"not these"}'
    [ "$(labels --label-field y)" = -100,0,1,-100 ]
    # a file without any labels has no such tensor
    lines '{"text":"none"}'
    bpe-tok -m "$M" --task token in.jsonl | tens ls | grep -vq labels
}

@test "--task token: B-X and I-X of a stretch X" {
    lines '{"text":"Ada Lovelace, Ada","labels":[{"start":0,"end":12,"label":"PER"},{"start":14,"end":17,"label":"PER"}]}'
    [ "$(labels --labels $NAMES --no-special)" = 1,-100,-100,2,-100,-100,-100,0,1,-100,-100 ]
    # a class that has the very name comes first
    [ "$(labels --labels O,PER,B-PER,I-PER --no-special)" = 1,-100,-100,1,-100,-100,-100,0,1,-100,-100 ]
    lines '{"text":"Ada","labels":[{"start":0,"end":3,"label":"I-PER"}]}'
    [ "$(labels --labels $NAMES --no-special)" = 2,-100,-100 ]
    lines '{"text":"Ada","labels":[{"start":0,"end":3,"label":"PER"}]}'
    run -3 --separate-stderr bpe-tok -m "$M" --task token --labels O,B-PER in.jsonl
    [ "$stderr" = "bpe-tok: in.jsonl:1: labels[0]: label 'PER' is not one of the 2 known (use --labels)" ]
}

@test "--task token: blanks before a word, parts of words, accents, added tokens" {
    # the blank in front is no part of the word; a part of a word labels it; blanks alone are words
    lines '{"text":"b a c","labels":[{"start":1,"end":2,"label":1}]}'
    run --separate-stderr labels --no-special
    [ "$output" = 0,0,0 ]
    [ "$stderr" = "bpe-tok: warning: 1 labelled stretches have no word of their own: they label nothing" ]
    lines '{"text":"un end","labels":[{"start":4,"end":5,"label":1}]}'
    [ "$(labels --no-special | tr , '\n' | grep -c '^1$')" = 1 ]
    lines '{"text":"a\n\nb c","labels":[{"start":0,"end":4,"label":1}]}'
    bpe-tok -m "$M" --offsets chars --no-special in.jsonl | tens cat --json | grep -qF '"spans":[[0,1],[1,2],[2,3],[3,4],[4,6]]'
    [ "$(labels --no-special)" = 1,1,1,1,0 ]
    # the first of two stretches that share a word has it
    lines '{"text":"ab c","labels":[{"start":1,"end":2,"label":2},{"start":0,"end":1,"label":1},{"start":3,"end":4,"label":3}]}'
    run --separate-stderr labels --no-special --labels O,A,B,C
    [ "$output" = 1,3 ]
    [ "$stderr" = "bpe-tok: warning: 1 labelled stretches have no word of their own: they label nothing" ]
    # characters, not bytes or units of 16 bits; NFC joins e and its accent into one
    lines '{"text":"\ud83d\ude00 cafe\u0301 b","labels":[{"start":8,"end":9,"label":1}]}'
    bpe-tok -m "$M" --task token --no-special --offsets chars in.jsonl | tens cat --json > a
    grep -q '"label":\[0,.*0,-100,-100,1\],"spans":.*\[7,9\]\]' a || { cat a; false; }
    lines '{"text":"\ud83d\ude00  cafe\u0301\n\n x"}'
    bpe-tok -m "$M" --task token --no-special --offsets chars in.jsonl | tens cat --json --name words > a
    grep -qF '"words":[[0,1],[0,1],[0,1],[1,3],[3,8],[3,8],[3,8],[8,10],[8,10],[11,12],[11,12]]' a || { cat a; false; }
    bpe-tok -m "$M" --task token --no-special --offsets bytes in.jsonl | tens cat --json --name words > a
    grep -qF '"words":[[0,4],[0,4],[0,4],[4,6],[6,12],[6,12],[6,12],[12,14],[12,14],[15,16],[15,16]]' a || { cat a; false; }
    lines '{"text":"caf\u00e9 [SEP] b","labels":[{"start":5,"end":10,"label":4},{"start":11,"end":12,"label":1}]}'
    [[ "$(labels -q --no-special --labels a,b,c,d,e)" = 0,*,4,1 ]]
    # the spans asked for do not matter
    bpe-tok -q -m "$M" --task token --offsets bytes --labels a,b,c,d,e in.jsonl | tens cat --json --name labels > b
    bpe-tok -q -m "$M" --task token --offsets chars --labels a,b,c,d,e in.jsonl | tens cat --json --name labels | cmp - b
    bpe-tok -q -m "$M" --task token --labels a,b,c,d,e in.jsonl | tens cat --json --name labels | cmp - b
}

@test "--task token: what is wrong with a line" {
    bad() {
        lines '{"text":"fine","labels":[]}' "{\"text\":\"some text\",\"labels\":$2}"
        run -3 --separate-stderr bpe-tok -m "$M" --task token --labels O,PER in.jsonl
        [ "$stderr" = "bpe-tok: in.jsonl:2: $1" ] || { echo "$stderr"; false; }
        bpe-tok -m "$M" --task token --labels O,PER --on-error skip in.jsonl > a 2> err
        [ "$(head -n 1 err)" = "bpe-tok: warning: in.jsonl:2: $1 (skipped)" ]
        [ "$(tens count a | sed -n 2p)" = 'examples	1' ]
    }
    bad "labels are not an array, as --task token wants" '"PER"'
    bad "labels[0] is not an object with start, end and label" '[3]'
    bad "labels[0] is not an object with start, end and label" '[{"start":0,"end":4}]'
    bad "labels[0] has a start or end that is not a whole number from 0 on" '[{"start":0.5,"end":4,"label":1}]'
    bad "labels[0] has a start or end that is not a whole number from 0 on" '[{"start":-1,"end":4,"label":1}]'
    bad "labels[0] starts at 4, not before its end 4" '[{"start":4,"end":4,"label":1}]'
    bad "labels[1] starts at 5, not before its end 4" '[{"start":0,"end":4,"label":1},{"start":5,"end":4,"label":1}]'
    bad "labels[0] ends at 10, but the text has 9 characters" '[{"start":5,"end":10,"label":1}]'
    bad "labels[0] ends at 99, but the text has 9 characters" '[{"start":50,"end":99,"label":1}]'
    bad "labels[2] and labels[0] overlap at character 3" '[{"start":3,"end":6,"label":1},{"start":7,"end":8,"label":1},{"start":0,"end":4,"label":1}]'
    bad "labels[0]: label 'ORG' is not one of the 2 known (use --labels)" '[{"start":0,"end":4,"label":"ORG"}]'
    bad "labels[0]: label 2 is outside 0..1 (use --labels)" '[{"start":0,"end":4,"label":2}]'
    run -2 --separate-stderr bpe-tok -m "$M" --task token --pair-field b in.jsonl
    [ "$stderr" = "bpe-tok: option --pair-field: not with classes of tokens (--task token); try --help" ]
    lines '{"text":"a","labels":[{"start":0,"end":1,"label":"x"}]}'
    mkdir m && cp "$M/tokenizer.json" m
    run -3 --separate-stderr bpe-tok -m m --task token in.jsonl
    [ "$stderr" = "bpe-tok: in.jsonl:1: labels[0]: label 'x' is a name, but no names are known (use --labels)" ]
}

@test "--task token: windows and cuts take the classes along" {
    lines '{"text":"a b c d e f g h","labels":[{"start":4,"end":9,"label":"PER"}]}' '{"text":"x"}'
    [ "$(labels --labels $NAMES | head -n 1)" = -100,0,0,1,2,2,0,0,0,-100 ]
    [ "$(labels --labels $NAMES --window 6 --stride 2 | paste -sd ' ')" = \
        "-100,0,0,1,2,-100 -100,1,2,2,0,-100 -100,2,0,0,0,-100 -100,-100,-100" ]
    [ "$(labels -q --labels $NAMES --max-length 6 | head -n 1)" = -100,0,0,1,2,-100 ]
    [ "$(labels -q --labels $NAMES --max-length 6 --truncate left | head -n 1)" = -100,2,0,0,0,-100 ]
}

@test "--task token: a pattern of Python's re finds the same words" {
    need_command python3
    cat > ref.py <<'END'
import json, random, re, sys
words = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[a-zA-Z]+| ?[0-9]+| ?[^\sa-zA-Z0-9]+|\s+(?!\S)|\s+")
random.seed(5)
if sys.argv[1] == "make":
    for line in open(sys.argv[2]):
        text = json.loads(line)["prompt"]
        if not text.isascii() or "  " in text:
            continue
        cuts = sorted(random.sample(range(len(text) + 1), 2 * random.randrange(0, 4)))
        spans = [dict(start=a, end=b, label=random.choice(["PER", "LOC"])) for a, b in zip(cuts[::2], cuts[1::2])]
        random.shuffle(spans)
        print(json.dumps(dict(text=text, labels=spans)))
    sys.exit()
ids, n = {"O": 0, "B-PER": 1, "I-PER": 2, "B-LOC": 3, "I-LOC": 4}, 0
for line, got in zip(open(sys.argv[2]), open(sys.argv[3])):
    row, got = json.loads(line), json.loads(got)
    spans = sorted(row["labels"], key=lambda s: s["start"])
    begins, used, place = {}, set(), {}
    for w in words.finditer(row["text"]):
        a = w.start() + (len(w.group()) - len(w.group().lstrip()) if w.group().strip() else 0)
        hit = [s for s in spans if s["start"] < w.end() and s["end"] > a]
        label = ("I-" if hit[0]["start"] in used else "B-") + hit[0]["label"] if hit else "O"
        used |= {hit[0]["start"]} if hit else set()
        begins[w.start()], place[w.start()] = ids[label], [a, w.end()]
    want = [begins.get(a, -100) for a, b in got["spans"][1:-1]]
    assert got["label"] == [-100] + want + [-100], (row, got, want)
    word = [0, 0]
    for span, got_word in zip(got["spans"][1:-1], got["words"][1:-1]):
        word = place.get(span[0], word)
        assert got_word == word, (row, got)
    assert got["words"][0] == got["words"][-1] == [0, 0]
    n += len(used)
assert n > 1000, n
END
    python3 ref.py make "$M/test.jsonl" > in.jsonl
    bpe-tok -q -m "$M" --task token --labels $NAMES --offsets chars in.jsonl | tens cat --json > got
    python3 ref.py check in.jsonl got
}

@test "--task token: any number of threads, the same bytes" {
    yes '{"text":"Ada Lovelace met Charles Babbage in London","labels":[{"start":0,"end":12,"label":1},{"start":17,"end":32,"label":1}]}' |
        head -n 6000 > in.jsonl
    [ "$(wc -c < in.jsonl)" -gt 400000 ]
    bpe-tok -m "$M" --task token --labels O,PER --threads 1 in.jsonl > a
    bpe-tok -m "$M" --task token --labels O,PER --threads 3 - < in.jsonl | cmp - a
}

@test "a model that classifies tokens: its names, and the task" {
    token_model
    lines '{"text":"Ada is here","labels":[{"start":0,"end":3,"label":"PER"}]}'
    bpe-tok -m tagger in.jsonl > a
    tens ls a | grep -q 'labels=\["O","PER","LOC"\].*task=token' || { tens ls a; false; }
    # with --labels the model does not say what a label is
    lines '{"text":"Ada is here","label":"b"}'
    bpe-tok -m tagger --labels a,b in.jsonl | tens ls | grep -q 'task=single'
}

@test "classes, spans and windows travel to the logits of each token" {
    token_model
    for i in 1 2 3 4 5 6 7; do
        echo '{"text":"Ada Lovelace lived in London and saw Paris","labels":[{"start":0,"end":12,"label":"PER"},{"start":22,"end":28,"label":"LOC"}],"id":'$i'}'
        echo '{"text":"nobody","id":"x"}'
    done > in.jsonl
    bpe-tok -m tagger --window 16 --stride 4 --offsets chars --keep id in.jsonl > t
    tens cat --json t > want
    for options in "--tokens 30" "--shuffle 3" "--sequences 1"; do
        # shellcheck disable=SC2086 # options are several words
        pack-batch $options t > b
        tens cat --json b | sort | cmp - <(sort want)
        mbert-fwd -m tagger --emit logits b > l
        tens ls l | grep -q 'logits F32\[[0-9]*,3\]'
        tens cat --json l | sed 's/"logits":\[\[.*\]\],"label"/"label"/' | sort > got
        sed 's/"input_ids":[^]]*\],//' want | sort > w
        diff w got
    done
    for f in t b l; do python3 "$ROOT/tests/spec/read_stream.py" --writer "$f" > /dev/null; done
    # and through joins, cuts and shards
    tens cat --safetensors t > t.safetensors
    tens wrap --kind tokens t.safetensors | tens cat --json | cmp - want
    tens split -q --test 4 t train.st.zst test.st.zst
    tens cat --json train.st.zst test.st.zst | sort | cmp - <(sort want)
    tens head -n 3 t | tens cat --json | cmp - <(head -n 3 want)
    # what a stream is for is one tensor still: spans only travel
    mbert-fwd -m tagger --emit hidden t | tens cat --npy | tail -c +129 | wc -c | grep -qx "$((4 * 96 * $(tens count t | sed -n 's/tokens.//p')))"
}
