#!/usr/bin/env python3
"""gpu_peer.py - PyTorch and transformers on the card, for tests/bench/gpu.

    gpu_peer.py about [--device D]   versions and ways, or on stderr why not: exit status 1
    gpu_peer.py WAY -m DIR [--forward 512x128,...] [--mix IDS] [--latency 1x100,...]
                [--train 64x512] [--product N] [--tokens N] [--reps N] [--seconds X]

WAY is sdpa or, where flash_attn is installed, fa2.  The model is ModernBERT for sequence
classification in bf16 (training: f32 weights under autocast, AdamW fused, clipping), from
ids to logits, both on the host.  Batches of one length have no mask, so that every kernel
may be chosen; IDS has a prompt a line, and they are sorted by length and padded in batches
of --tokens, padding counted; only real tokens count in figures.  A batch that does not fit
the card is halved.

A figure is a line of columns parted by tabs, as tests/bench/gpu.c writes them: "result",
part, who, median and least seconds, tokens, operations ("-": as ours), the first logit
("-": none), and MiB of the card in use at the part's end, by whatever process.
"""
import argparse
import statistics
import sys
import time

CLASSES = 2


class Peer:
    def __init__(self, o):
        import torch
        import transformers
        self.torch, self.o, self.way = torch, o, o.way
        transformers.logging.set_verbosity_error()
        self.load = transformers.AutoModelForSequenceClassification.from_pretrained
        torch.manual_seed(1)

    def model(self, dtype):
        name = {"sdpa": "sdpa", "fa2": "flash_attention_2"}[self.way]
        model = self.load(self.o.model, dtype=dtype, attn_implementation=name)
        return model.to(self.o.device)

    def sync(self):
        if self.o.device != "cpu":
            self.torch.cuda.synchronize()

    # ---- what is said -------------------------------------------------------------------
    def in_use(self):
        """The allocator keeps what it had at most until it is emptied."""
        if self.o.device == "cpu":
            return "-"
        free, total = self.torch.cuda.mem_get_info()
        return (total - free) >> 20

    def timed(self, part, tokens, run, warm=3, each=1, operations="-"):
        """run() again and again, `each` times the work in it; what it returns is the first
        logit, or None."""
        seconds, begin = [], time.perf_counter()
        for k in range(-warm, self.o.reps):
            if k == 0:
                begin = time.perf_counter()
            if k >= 3 and time.perf_counter() - begin > self.o.seconds:
                break
            at = time.perf_counter()
            logit = run()
            self.sync()
            if k >= 0:
                seconds.append((time.perf_counter() - at) / each)
        if logit is not None and logit != logit:
            raise ValueError("logits are not finite")
        print("result", part, "torch-" + self.way, f"{statistics.median(seconds):.9f}",
              f"{min(seconds):.9f}", tokens, operations,
              "-" if logit is None else f"{logit:.6g}", self.in_use(), sep="\t", flush=True)

    def halved(self, part, size, work):
        """work(size), work(size / 2), ... until one fits; failures end this part alone."""
        while True:
            try:
                work(size)
                break
            except self.torch.OutOfMemoryError:
                why = "out of memory"
            except Exception as e:  # of any kernel: the line says which
                print(f"# torch-{self.way} {part}: {type(e).__name__}: "
                      f"{' '.join(str(e).split())[:200]}", flush=True)
                break
            finally:
                if self.o.device != "cpu":
                    self.torch.cuda.empty_cache()
            print(f"# torch-{self.way} {part}: {why} with {size} at once", flush=True)
            if size == 1:
                break
            size = (size + 1) // 2

    # ---- batches ------------------------------------------------------------------------
    def shape(self, config, B, S):
        """The ids that gpu.h makes: prompts_shape."""
        torch = self.torch
        k = (torch.arange(1, B * S + 1) * 2654435761) % 2 ** 32
        x = (k % config.cls_token_id).view(B, S)
        x[:, 0], x[:, -1] = config.cls_token_id, config.sep_token_id
        return x

    def padded(self, config, rows):
        torch = self.torch
        x = torch.full((len(rows), max(map(len, rows))), config.pad_token_id)
        mask = torch.zeros_like(x)
        for i, row in enumerate(rows):
            x[i, :len(row)] = torch.tensor(row)
            mask[i, :len(row)] = 1
        return x, mask

    def logits(self, model, x, mask=None):
        """mask None: the model sees that nothing is padded."""
        with self.torch.inference_mode():
            y = model(input_ids=x.to(self.o.device),
                      attention_mask=None if mask is None else mask.to(self.o.device))
            return y.logits.float().cpu()

    # ---- parts --------------------------------------------------------------------------
    def product(self, n):
        torch = self.torch
        x, w = (torch.rand(n, n).mul_(2).sub_(1).to(self.o.device, torch.bfloat16)
                for _ in range(2))

        def ten():
            for _ in range(10):
                torch.nn.functional.linear(x, w)
        self.timed(f"product-{n}", 0, ten, each=10, operations=2 * n ** 3)

    def forward(self, part, model, B, S, warm=3):
        x = self.shape(model.config, B, S)

        def work(at_once):
            def run():
                first = None
                for i in range(0, B, at_once):
                    y = self.logits(model, x[i:i + at_once])
                    first = float(y[0, 0]) if first is None else first
                return first
            self.timed(f"{part}-{S}", B * S, run, warm)
        self.halved(f"{part}-{S}", B, work)

    def mix(self, model):
        with open(self.o.mix, encoding="ascii") as f:
            rows = sorted(([int(t) for t in line.split()] for line in f), key=len)
        real = sum(map(len, rows))

        def work(budget):
            batches, group = [], []
            for row in rows:  # growing: the last one is the longest
                if group and len(row) * (len(group) + 1) > budget:
                    batches.append(self.padded(model.config, group))
                    group = []
                group.append(row)
            batches.append(self.padded(model.config, group))
            padded = sum(x.numel() for x, _ in batches)
            print(f"# torch-{self.way} forward-mix: {len(batches)} batches, "
                  f"{100 * (padded - real) / padded:.1f} % padding", flush=True)

            def run():
                for x, mask in batches:
                    y = self.logits(model, x, mask)
                if not bool(y.isfinite().all()):
                    raise ValueError("logits are not finite")
            self.timed("forward-mix", real, run)
        self.halved("forward-mix", self.o.tokens, work)

    def train(self, B, S):
        """f32 weights under autocast, clipping, AdamW: the usual recipe."""
        torch = self.torch
        kind = "cpu" if self.o.device == "cpu" else "cuda"
        model = self.model(torch.float32).train()
        adam = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01, fused=True)
        x, labels = self.shape(model.config, B, S), torch.arange(B) % CLASSES

        def work(micro):
            adam.zero_grad(set_to_none=True)
            print(f"# torch-{self.way} train: {micro} prompts at a time", flush=True)

            def run():
                sum_of = 0.0
                for i in range(0, B, micro):
                    part = x[i:i + micro].to(self.o.device)
                    with torch.autocast(kind, torch.bfloat16):
                        y = model(input_ids=part,
                                  labels=labels[i:i + micro].to(self.o.device))
                        loss = y.loss * len(part) / B
                    loss.backward()
                    sum_of += loss.detach()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                adam.step()
                adam.zero_grad(set_to_none=True)
                if not float(sum_of) < 1e9:
                    raise ValueError("the loss is not finite")
            self.timed(f"train-{S}", B * S, run)
        self.halved(f"train-{S}", B, work)

    def all(self):
        if self.o.product:
            self.product(self.o.product)
        model = self.model(self.torch.bfloat16).eval()
        for part, shapes, warm in (("forward", self.o.forward, 3),
                                   ("latency", self.o.latency, 30)):
            for B, S in pairs(shapes):
                self.forward(part, model, B, S, min(warm, self.o.reps))
        if self.o.mix:
            self.mix(model)
        del model
        for B, S in pairs(self.o.train):
            self.train(B, S)


def pairs(shapes):
    return [tuple(map(int, s.split("x"))) for s in shapes.split(",") if s]


def about(device):
    """Exits with status 1 when there is nothing to run."""
    try:
        import torch
        import transformers
    except ImportError as e:
        sys.exit(f"python3 has no {e.name} (MBERT_PEERS names another)")
    if device != "cpu" and not torch.cuda.is_available():
        sys.exit(f"PyTorch {torch.__version__} sees no card")
    ways = ["sdpa"]
    if device != "cpu" and transformers.utils.is_flash_attn_2_available():
        ways.append("fa2")
    print(*ways)
    print(f"PyTorch {torch.__version__}, transformers {transformers.__version__}, "
          "flash_attn " + ("there" if "fa2" in ways else "not there"))


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("way", choices=["about", "sdpa", "fa2"])
    p.add_argument("-m", "--model")
    p.add_argument("--device", default="cuda")
    p.add_argument("--forward", default="")
    p.add_argument("--latency", default="")
    p.add_argument("--train", default="")
    p.add_argument("--mix")
    p.add_argument("--product", type=int, default=0)
    p.add_argument("--tokens", type=int, default=65536)
    p.add_argument("--reps", type=int, default=20)
    p.add_argument("--seconds", type=float, default=8)
    o = p.parse_args()
    if o.way == "about":
        about(o.device)
    else:
        Peer(o).all()


if __name__ == "__main__":
    main()
