# What `.ci/run` checks.
check:
    .ci/run

# The tests alone.
test:
    cargo test --release

# Rewrites the goldens of the command; look at the diff.
bless:
    BLESS=1 cargo test --release --test it cli

# Thousands of random networks; SECATEUR_SEED=7 tries others.
smith:
    SECATEUR_CASES=5000 cargo test --release --test it smith -- --nocapture

# Every model of the onnx package, judged in onnxruntime (Python with onnx and onnxruntime).
corpus:
    cargo build --release
    python3 tests/onnx_corpus.py

# A pruned ResNet-20 learns and is exported again (Python with torch, onnx2torch, onnx and onnxruntime).
trainable:
    cargo build --release
    python3 tests/trainable.py
