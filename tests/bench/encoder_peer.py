#!/usr/bin/env python3
"""encoder_peer.py - one other runtime in a process of its own, for tests/bench/encoder.

    encoder_peer.py about                        versions and what the processor offers them
    encoder_peer.py prepare DIR IDS              writes DIR/peers: ONNX, OpenVINO, int8
    encoder_peer.py serve PEER DIR THREADS       answers commands
    encoder_peer.py cold PEER DIR THREADS FILE   prompts of JSON lines to verdicts, and ends

DIR is a model directory as transformers reads it.  IDS has a prompt a line, its ids parted
by blanks.  Everything is said in lines of JSON.  Commands of `serve`, as in encoder.c:

    shape B S REPS              REPS passes over B sequences of S made-up tokens
    rows IDS GROUP FROM TO      one pass over lines FROM to TO, GROUP at a time, padded
    train IDS FROM TO           one step of AdamW on these lines (train-*)

The answer has the seconds of each pass, the logits of the first sequence, and the most
memory that was resident since the command came.  Worker is the other end.
"""
import contextlib
import json
import os
import resource
import subprocess
import sys
import time

np = None  # the script that imports this has none of the packages
ANSWERS = None
CLS, SEP, PAD = 50281, 50282, 50283
FILES = {"ort-f32": "model.onnx", "ort-int8": "model-int8.onnx", "ov-f32": "ov-f32.xml",
         "ov-bf16": "ov-f32.xml", "ov-sdpa-bf16": "ov-sdpa.xml", "ov-int8": "ov-int8.xml"}


# ---- the other end ----------------------------------------------------------------------
class Failed(Exception):
    pass


def environment(threads):
    e = dict(os.environ, OMP_NUM_THREADS=str(threads))
    e.pop("OPENBLAS_CORETYPE", None)  # may name an older processor, at half the speed
    return e


def pinned(command, threads):
    """One thread gets the last core and nothing else."""
    if threads > 1:
        return command
    return ["taskset", "-c", str(max(os.sched_getaffinity(0))), *command]


def tail(path):
    """What a process said last."""
    with open(path, encoding="utf-8", errors="replace") as f:
        lines = [line.strip() for line in f if line.strip()]
    return lines[-1][-200:] if lines else "said nothing"


class Worker:
    """A process that answers lines of commands with lines of JSON; its stderr goes to log,
    and more data than limit bytes it does not get."""

    def __init__(self, name, command, threads, log, limit=resource.RLIM_INFINITY):
        self.name, self.log = name, log
        with open(log, "wb") as err:
            self.p = subprocess.Popen(
                pinned(command, threads), env=environment(threads), stderr=err, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=lambda: (
                    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))))
        self.hello = self.read()

    def read(self):
        line = self.p.stdout.readline()
        if not line.endswith("\n"):
            raise Failed(f"status {self.p.wait()}: {tail(self.log)}")
        found = json.loads(line)
        if "error" in found:
            raise Failed(found["error"])
        return found

    def ask(self, *words):
        with contextlib.suppress(BrokenPipeError):  # then read() says why
            self.p.stdin.write(" ".join(map(str, words)) + "\n")
            self.p.stdin.flush()
        return self.read()

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.p.stdin.close()
        self.p.stdout.close()
        self.p.wait()


# ---- what a process says ----------------------------------------------------------------
def say(what):
    ANSWERS.write(json.dumps(what) + "\n")
    ANSWERS.flush()


def peak_mb():
    with open("/proc/self/status", encoding="ascii") as f:
        kib = next(line for line in f if line.startswith("VmHWM")).split()[1]
    return int(kib) * 1024 / 1e6


def peak_reset():
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as f:
        f.write("5")


def reason(e):
    return f"{type(e).__name__}: {' '.join(str(e).split())[:200]}"


# ---- prompts ----------------------------------------------------------------------------
def ids_of(path, begin=0, end=None):
    with open(path, encoding="ascii") as f:
        return [[int(t) for t in line.split()] for line in f.readlines()[begin:end]]


def shape(B, S):
    """The ids that encoder.c makes up, so that the logits can be compared."""
    k = np.arange(1, B * S + 1, dtype=np.uint32) * np.uint32(2654435761)
    x = (1000 + k % np.uint32(49000)).astype(np.int64).reshape(B, S)
    x[:, 0], x[:, -1] = CLS, SEP
    return x, np.ones_like(x)


def padded(rows):
    longest = max(map(len, rows))
    x = np.full((len(rows), longest), PAD, np.int64)
    mask = np.zeros_like(x)
    for i, row in enumerate(rows):
        x[i, :len(row)] = row
        mask[i, :len(row)] = 1
    return x, mask


# ---- runtimes: each takes ids and mask [B,S] and gives logits [B,C] ---------------------
def torch_model(directory, dtype="float32"):
    import torch
    from transformers import AutoModelForSequenceClassification as Auto
    return Auto.from_pretrained(directory, dtype=getattr(torch, dtype),
                                attn_implementation="sdpa").eval()


def torch_runner(peer, directory, threads):
    import torch
    torch.set_num_threads(threads)
    model = torch_model(directory, "bfloat16" if "bf16" in peer else "float32")

    def run(x, mask):
        with torch.inference_mode():
            y = model(input_ids=torch.from_numpy(x), attention_mask=torch.from_numpy(mask))
            return y.logits.float().numpy()
    return run


def train_runner(peer, directory, threads):
    """One step of the usual recipe: f32 weights, autocast for bf16, clipping, AdamW."""
    import torch
    torch.set_num_threads(threads)
    model = torch_model(directory).train()
    adam = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01, fused=True)

    def run(x, mask):
        with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in peer):
            y = model(input_ids=torch.from_numpy(x), attention_mask=torch.from_numpy(mask),
                      labels=torch.arange(len(x)) % 2)
        y.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
        return y.logits.detach().float().numpy()
    return run


def ort_runner(path, threads):
    import onnxruntime
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads, o.inter_op_num_threads = threads, 1
    # or its threads burn the processor while others have their turn
    o.add_session_config_entry("session.force_spinning_stop", "1")
    s = onnxruntime.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    return lambda x, mask: s.run(None, {"input_ids": x, "attention_mask": mask})[0]


def ov_runner(path, threads, bf16):
    import openvino
    if not os.path.exists(path):
        raise FileNotFoundError(path)
    model = openvino.Core().compile_model(path, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32"})
    request = model.create_infer_request()

    def run(x, mask):
        y = request.infer({"input_ids": x, "attention_mask": mask}, share_inputs=True)
        return np.array(y[0])
    return run


def runner(peer, directory, threads):
    path = f"{directory}/peers/{FILES.get(peer, '')}"
    if peer.startswith("train"):
        return train_runner(peer, directory, threads)
    if peer.startswith("ort"):
        return ort_runner(path, threads)
    if peer.startswith("ov"):
        return ov_runner(path, threads, "bf16" in peer)
    return torch_runner(peer, directory, threads)


# ---- serve ------------------------------------------------------------------------------
def inputs(words):
    """The passes that a command asks for: a list of batches each."""
    command, *rest = words
    if command == "shape":
        B, S, reps = map(int, rest)
        return [[shape(B, S)]] * reps
    if command == "train":
        return [[padded(ids_of(rest[0], *map(int, rest[1:])))]]
    assert command == "rows", command
    group, begin, end = map(int, rest[1:])
    rows = ids_of(rest[0], begin, end)
    return [[padded(rows[i:i + group]) for i in range(0, len(rows), group)]]


def answer(run, words):
    passes, seconds, logits = inputs(words), [], None
    peak_reset()
    for batches in passes:
        begin = time.perf_counter()
        results = [run(x, mask) for x, mask in batches]
        seconds.append(time.perf_counter() - begin)
        logits = [float(v) for v in results[0][0]]
        if not all(np.isfinite(r).all() for r in results):
            return {"error": "logits are not finite"}
    return {"s": seconds, "peak_mb": peak_mb(), "logits": logits}


def serve(peer, directory, threads):
    begin = time.perf_counter()
    run = runner(peer, directory, int(threads))
    say({"ready": peer, "load_s": time.perf_counter() - begin, "peak_mb": peak_mb()})
    for line in sys.stdin:
        try:
            say(answer(run, line.split()))
        except Exception as e:  # of any library: the script prints it
            say({"error": reason(e)})


# ---- cold: what a user's script does ----------------------------------------------------
def cold(peer, directory, threads, path):
    with open(path, encoding="utf-8", newline="\n") as f:
        prompts = [json.loads(line)["prompt"] for line in f]
    if peer.startswith("hf"):
        import torch
        from transformers import pipeline
        torch.set_num_threads(int(threads))
        p = pipeline("text-classification", model=directory, top_k=None, device="cpu",
                     dtype=torch.bfloat16 if "bf16" in peer else torch.float32)
        for verdict in p(prompts, truncation=True):
            say(verdict)
        return
    from tokenizers import Tokenizer
    t = Tokenizer.from_file(directory + "/tokenizer.json")
    t.enable_truncation(8192)
    run = runner(peer, directory, int(threads))
    for prompt in prompts:
        x = np.array([t.encode(prompt).ids], np.int64)
        z = run(x, np.ones_like(x))[0]
        e = np.exp(z - z.max())
        say([float(v) for v in e / e.sum()])


# ---- prepare ----------------------------------------------------------------------------
class Prepare:
    """Exports what is missing, and says how far each is from PyTorch in f32."""

    def __init__(self, directory, ids):
        import torch
        self.torch, self.ids, self.dir = torch, ids, directory
        self.out = directory + "/peers"
        os.makedirs(self.out, exist_ok=True)
        model = torch_model(directory)

        class Logits(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = model

            def forward(self, input_ids, attention_mask):
                return self.inner(input_ids=input_ids, attention_mask=attention_mask).logits
        self.model = Logits().eval()
        self.alone = [shape(1, 8), shape(1, 700)]
        self.example = padded([list(range(1000, 1160)), list(range(2000, 2100))])
        self.together = [padded([list(range(1000, 1000 + n)) for n in (333, 170, 20)])]

    def error(self, run, cases):
        errors = []
        for x, mask in cases:
            with self.torch.no_grad():
                want = self.model(self.torch.from_numpy(x), self.torch.from_numpy(mask))
            errors.append(np.abs(run(x, mask) - want.numpy()).max())
        return float(np.max(errors))  # NaN stays NaN

    def onnx(self, path):
        """The older exporter: its graph is the faster one in both runtimes."""
        axes = {0: "batch", 1: "tokens"}
        x, mask = map(self.torch.from_numpy, self.example)
        with self.torch.no_grad():
            self.torch.onnx.export(
                self.model, (x, mask), path, dynamo=False, opset_version=17,
                input_names=["input_ids", "attention_mask"], output_names=["logits"],
                dynamic_axes={"input_ids": axes, "attention_mask": axes,
                              "logits": {0: "batch"}})

    def onnx_int8(self, path):
        from onnxruntime.quantization import QuantType, quantize_dynamic
        quantize_dynamic(self.out + "/model.onnx", path, op_types_to_quantize=["MatMul"],
                         per_channel=True, weight_type=QuantType.QInt8)

    def ov(self, path):
        import openvino
        model = openvino.Core().read_model(self.out + "/model.onnx")
        openvino.save_model(model, path, compress_to_fp16=False)

    def ov_sdpa(self, path):
        """From PyTorch without ONNX, which keeps attention one operation."""
        import openvino
        x, mask = map(self.torch.from_numpy, self.example)
        free = openvino.PartialShape([-1, -1]), openvino.Type.i64
        with self.torch.no_grad():
            model = openvino.convert_model(
                self.model, example_input={"input_ids": x, "attention_mask": mask},
                input=[("input_ids", *free), ("attention_mask", *free)])
        openvino.save_model(model, path, compress_to_fp16=False)

    def ov_int8(self, path):
        import nncf
        import openvino
        rows = [padded([row]) for row in ids_of(self.ids, 0, 64)]
        data = nncf.Dataset([{"input_ids": x, "attention_mask": m} for x, m in rows])
        model = nncf.quantize(openvino.Core().read_model(self.out + "/ov-f32.xml"), data,
                              model_type=nncf.ModelType.TRANSFORMER, subset_size=64)
        openvino.save_model(model, path, compress_to_fp16=False)

    def all(self):
        make = {"ort-f32": self.onnx, "ort-int8": self.onnx_int8, "ov-f32": self.ov,
                "ov-bf16": self.ov, "ov-sdpa-bf16": self.ov_sdpa, "ov-int8": self.ov_int8}
        for peer, export in make.items():
            begin, path = time.perf_counter(), f"{self.out}/{FILES[peer]}"
            # an export that was cut off must not look like one that is there
            partial = f"{self.out}/partial-{FILES[peer]}"
            try:
                if not os.path.exists(path):
                    export(partial)
                    if path.endswith(".xml"):
                        os.replace(partial[:-4] + ".bin", path[:-4] + ".bin")
                    os.replace(partial, path)
                run = runner(peer, self.dir, os.cpu_count())
                say({"peer": peer, "alone": self.error(run, self.alone),
                     "padded": self.error(run, self.together),
                     "s": time.perf_counter() - begin})
            except Exception as e:  # of any exporter: the script prints it
                say({"peer": peer, "error": reason(e)})


# ---- about ------------------------------------------------------------------------------
def about():
    from importlib import metadata
    say({"note": ", ".join(f"{k} {metadata.version(k)}" for k in (
        "torch", "transformers", "onnxruntime", "openvino", "nncf"))})
    import openvino
    import torch
    tiles = "AMX" if torch.cpu._is_amx_tile_supported() else "no AMX"
    say({"note": f"PyTorch: {torch.backends.cpu.get_cpu_capability()}, {tiles}"})
    can = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    say({"note": "OpenVINO: " + " ".join(can)})


def main():
    global np, ANSWERS
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    # peers print what they like on stdout: the answers get a descriptor of their own
    ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import numpy
    np = numpy
    verb, *rest = sys.argv[1:]
    if verb == "prepare":
        Prepare(*rest).all()
    else:
        {"about": about, "serve": serve, "cold": cold}[verb](*rest)


if __name__ == "__main__":
    main()
