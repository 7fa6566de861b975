#!/usr/bin/env python3
"""Every node test of the onnx package, its light models and the models of its other tests: secateur must read, inspect and prune
each, or say in one line why not; what it prunes must equal the masked original in onnxruntime.

usage: onnx_corpus.py [--binary target/release/secateur] [--jobs 2] [--only TEXT] [--keep DIR] [--list]

Each model is tried as it is, and, where an operator takes and makes a float32 map (batch, channels, space), between two convolutions, so that there are
channels to cut before and behind it. --list prints a line for each trial. Exit 0 where no fault was found, 1 where one was, 0 with a notice where onnx or onnxruntime is missing.
"""
import argparse
import collections
import concurrent.futures
import copy
import glob
import json
import os
import subprocess
import sys
import tempfile
import warnings

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    print(f"SKIPPED: {missing}")
    sys.exit(0)

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECONDS, SECONDS_FOR_NETWORKS = 60, 600
TOLERANCE = 2e-4
RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
NAN = "cut and equal, the original gives NaN"
FAULTS = ("WRONG", "PANIC", "HANG", "UNCLEAN", "UNREADABLE")
Trial = collections.namedtuple("Trial", "name model feeds")


# ---- What is tried ----

def cases(only):
    """Trials of every model: as it is, and wrapped."""
    warnings.simplefilter("ignore")
    from onnx.backend.test.case.node import collect_testcases
    for case in collect_testcases(None):
        if only in case.name:
            arrays = case.data_sets[0][0] if case.data_sets else []
            feeds = {i.name: a for i, a in zip(case.model.graph.input, arrays)}
            yield Trial(case.name, case.model, feeds)
            wrapped = between_convolutions(case.model, feeds)
            if wrapped:
                yield Trial(case.name + "+", *wrapped)
    data = os.path.join(os.path.dirname(onnx.__file__), "backend/test/data")
    for path in sorted(glob.glob(f"{data}/light/*.onnx") + glob.glob(f"{data}/*/*/model.onnx")):
        name = os.path.relpath(path, data)
        if only in name:
            yield Trial(name.replace("/", "_"), onnx.load(path), {})


def is_map(info):
    t = info.type.tensor_type
    dims = [d.dim_value for d in t.shape.dim]
    return t.elem_type == TensorProto.FLOAT and 3 <= len(dims) <= 5 and all(d > 0 for d in dims)


def between_convolutions(model, feeds):
    """The model behind a convolution that makes its first map and before one that reads its first output; other inputs become constants."""
    graph = model.graph
    maps = [i for i in graph.input if is_map(i)]
    if not maps or not graph.output or not is_map(graph.output[0]):
        return None
    x, y = maps[0], graph.output[0]
    n, channels, *space = (d.dim_value for d in x.type.tensor_type.shape.dim)
    made, flat = y.type.tensor_type.shape.dim[1].dim_value, [1] * (len(y.type.tensor_type.shape.dim) - 2)
    others = [i.name for i in graph.input if i.name != x.name]
    if any(not isinstance(feeds.get(name), (np.ndarray, np.generic)) for name in others):
        return None
    rng = np.random.default_rng(7)
    new = copy.deepcopy(model)
    g = new.graph
    normal = lambda name, *dims: numpy_helper.from_array(rng.normal(0, 0.5, dims).astype(np.float32), name)
    g.initializer.extend([normal("wrap.before", channels, 3, *[1] * len(space)), normal("wrap.after", 4, made, *flat)])
    g.initializer.extend(numpy_helper.from_array(np.asarray(feeds[name]), name) for name in others)
    del g.input[:], g.output[:], g.value_info[:]
    g.input.append(helper.make_tensor_value_info("wrap.x", TensorProto.FLOAT, [n, 3, *space]))
    g.output.append(helper.make_tensor_value_info("wrap.y", TensorProto.FLOAT, None))
    g.node.insert(0, helper.make_node("Conv", ["wrap.x", "wrap.before"], [x.name], name="wrap.before"))
    g.node.append(helper.make_node("Conv", [y.name, "wrap.after"], ["wrap.y"], name="wrap.after"))
    return new, {"wrap.x": rng.normal(0, 1, (n, 3, *space)).astype(np.float32)}


# ---- What secateur says ----

def call(*argv):
    seconds = SECONDS_FOR_NETWORKS if "light_" in argv[2] else SECONDS
    try:
        p = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=seconds)
        return p.returncode, p.stdout, p.stderr
    except subprocess.TimeoutExpired:
        return "HANG", "", ""


def fault_of(code, stderr):
    """What is wrong with the way in which a run ended, if anything."""
    if code == "HANG":
        return "HANG"
    if "panicked" in stderr or code not in (0, 1, 2, 3):
        return "PANIC"
    lines = [l for l in stderr.strip().splitlines() if l.startswith("error")]
    if code in (1, 2) and (len(lines) != 1 or stderr.strip().splitlines()[-1] != lines[0]):
        return "UNCLEAN"
    return None


def shape_flags(model, feeds):
    """The shapes of inputs that the file leaves open, as their test has them."""
    flags = []
    for i in model.graph.input:
        a, dims = feeds.get(i.name), i.type.tensor_type.shape.dim
        if isinstance(a, np.ndarray) and a.ndim and all(a.shape) and any(not d.HasField("dim_value") for d in dims):
            flags += ["--input-shape", f"{i.name}:{','.join(map(str, a.shape))}"]
    return flags


def attempt(binary, folder, trial):
    """(outcome, detail)"""
    path, out, report = (os.path.join(folder, trial.name + end) for end in (".onnx", ".out.onnx", ".json"))
    with open(path, "wb") as f:
        f.write(trial.model.SerializeToString())
    shapes = shape_flags(trial.model, trial.feeds)
    code, _, err = call(binary, "inspect", path, *shapes)
    fault = fault_of(code, err)
    if fault:
        return fault, f"inspect: {err.strip()[:300]}"
    prune = [binary, "prune", path, "-o", out, "--rate", "0.5", "--force", "--report", report, *shapes]
    code, _, err = call(*prune)
    fault = fault_of(code, err)
    refused = None
    if code == 3 and not fault:
        refused = json.load(open(report)).get("refused")
        code, _, err = call(*prune, "--allow-unverified" if refused == "unverified" else "--no-verify")
        fault = fault_of(code, err)
    if fault:
        return fault, f"prune: {err.strip()[:300]}"
    if code != 0:
        return "error in one line", err.strip()[:200]
    cuts = json.load(open(report))["plan"]["cuts"]
    outcome, detail = judged(trial, out, cuts)
    if refused == "verification" and outcome == NAN:
        return "refused, as the original gives NaN", ""
    if refused == "verification":
        return ("WRONG, but refused" if outcome == "WRONG" else "refused"), f"{detail}: {json.load(open(report)).get('refused_reason', '')}"
    return outcome, detail


# ---- The judge ----

def summed(node, rank, constants):
    """The operands that a node sums over, each with the axis."""
    flag = {a.name: a.i for a in node.attribute}
    if node.op_type in ("Conv", "ConvTranspose"):
        return [(0, 1)]
    if node.op_type == "Gemm":
        return [(0, 0 if flag.get("transA") else 1), (1, 1 if flag.get("transB") else 0)]
    if node.op_type == "MatMul":
        return [(0, rank(node.input[0]) - 1), (1, max(rank(node.input[1]) - 2, 0))]
    if node.op_type in ("ReduceSum", "ReduceSumSquare", "ReduceL1", "ReduceL2"):
        axes = next((a.ints for a in node.attribute if a.name == "axes"), constants.get(node.input[1], []) if len(node.input) > 1 else [])
        return [(0, k % rank(node.input[0])) for k in axes or range(rank(node.input[0]))]
    return []


def masked(model, cuts):
    """The original, with zeros where a contraction reads what is cut."""
    m = copy.deepcopy(model)
    cut = {(c["value"], c["axis"]): c for c in cuts if c["kind"] == "activation"}
    ranks = {}
    try:
        inferred = onnx.shape_inference.infer_shapes(model).graph
        for v in [v for v in [*inferred.value_info, *inferred.input, *inferred.output] if v.type.tensor_type.HasField("shape")]:
            ranks[v.name] = len(v.type.tensor_type.shape.dim)
    except Exception:  # an operator that onnx does not know
        pass
    ranks |= {t.name: len(t.dims) for t in model.graph.initializer}
    constants = {t.name: numpy_helper.to_array(t).ravel().tolist() for t in model.graph.initializer if t.data_type == TensorProto.INT64}
    constants |= {n.output[0]: numpy_helper.to_array(n.attribute[0].t).ravel().tolist() for n in model.graph.node
                  if n.op_type == "Constant" and n.attribute[0].name == "value"}
    nodes = []
    for k, node in enumerate(m.graph.node):
        for slot, axis in summed(node, lambda v: ranks.get(v, 4), constants):
            c = cut.get((node.input[slot], axis))
            if c:
                keep = np.ones(c["length"], np.float32)
                keep[c["remove"]] = 0
                name = f"judge.{k}.{slot}.{axis}"
                rank = max(ranks.get(node.input[slot], 0), ranks.get(node.input[1], 0) if slot == 0 and "Conv" in node.op_type else 0)
                shape = [-1 if a == axis else 1 for a in range(rank)]
                m.graph.initializer.append(numpy_helper.from_array(keep.reshape(shape), name))
                nodes.append(helper.make_node("Mul", [node.input[slot], name], [name + ".out"]))
                node.input[slot] = name + ".out"
        nodes.append(node)
    nodes = [copy.deepcopy(n) for n in nodes]
    del m.graph.node[:]
    m.graph.node.extend(nodes)
    return m


def run(model, feeds):
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    s = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return s.run(None, feeds)


def seeded(model):
    """Feeds for a model that comes without: open dims are 1."""
    rng, filled = np.random.default_rng(3), {t.name for t in model.graph.initializer}
    feeds = {}
    for i in model.graph.input:
        if i.name not in filled:
            t = i.type.tensor_type
            dims = [d.dim_value or 1 for d in t.shape.dim]
            feeds[i.name] = rng.normal(0, 1, dims).astype(helper.tensor_dtype_to_np_dtype(t.elem_type))
    return feeds


def judged(trial, out, cuts):
    before = open(out, "rb").read()
    try:
        pruned = onnx.load_from_string(before)
    except Exception as e:
        return "UNREADABLE", str(e)[:200]
    if not cuts:
        kept = copy.deepcopy(pruned)
        del kept.metadata_props[:]
        same = kept.SerializeToString() == trial.model.SerializeToString() or trial.model.metadata_props
        return ("whole", "") if same else ("WRONG", "nothing is cut, but the file has changed")
    if any(n.op_type in RANDOM for n in trial.model.graph.node):
        return "cut, random", ""
    try:
        feeds = trial.feeds or seeded(trial.model)
        plain = run(trial.model.SerializeToString(), feeds)
        expected = run(masked(trial.model, cuts).SerializeToString(), feeds)
    except Exception as e:
        return "cut, onnxruntime cannot run the original", str(e)[:160]
    try:
        found = run(before, feeds)
    except Exception as e:
        return "WRONG", f"the pruned model does not run: {str(e)[:200]}"
    moved = 0.0
    for p, a, b in zip(plain, expected, found):
        a, b, p = (np.asarray(v, np.float64) for v in (a, b, p))
        if a.shape != b.shape:
            return "WRONG", f"an output of shape {b.shape}, not {a.shape}"
        scale = np.nanmax(np.abs(a), initial=0) + 1e-6
        error = np.nanmax(np.abs(a - b), initial=0) / scale
        if error > TOLERANCE or (np.isnan(a) != np.isnan(b)).any():
            return "WRONG", f"an output differs by {error:.1e}"
        moved = max(moved, np.nanmax(np.abs(a - p), initial=0) / scale)
    if any(np.isnan(np.asarray(p, np.float64)).any() for p in plain):
        return NAN, ""
    return ("cut and equal", "") if moved > 100 * TOLERANCE else ("cut and equal, masks hardly show", "")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=os.path.join(ROOT, "target/release/secateur"))
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--only", default="")
    options.add_argument("--keep")
    options.add_argument("--list", action="store_true")
    o = options.parse_args()
    if not os.path.exists(o.binary):
        print(f"SKIPPED: {o.binary} is not built")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = o.keep or temporary
        os.makedirs(folder, exist_ok=True)
        trials = list(cases(o.only))

        def one(trial):
            try:
                return trial.name, *attempt(o.binary, folder, trial)
            finally:
                if not o.keep:
                    for old in glob.glob(os.path.join(glob.escape(folder), glob.escape(trial.name) + ".*")):
                        os.remove(old)

        with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
            rows = list(pool.map(one, trials))
    if o.list:
        for row in rows:
            print(*row, sep=" | ")
    table = collections.defaultdict(lambda: [0, 0])
    for name, outcome, _ in rows:
        table[outcome][name.endswith("+")] += 1
    print(f"{'outcome':45} {'as it is':>9} {'wrapped':>9}")
    for outcome, (alone, wrapped) in sorted(table.items(), key=lambda r: -sum(r[1])):
        print(f"{outcome:45} {alone:9} {wrapped:9}")
    faults = [r for r in rows if r[1].startswith(FAULTS) or r[1] == "refused"]
    for name, outcome, detail in faults:
        print(f"{outcome}: {name}: {detail}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
