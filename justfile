# What `.ci/run` checks.
check:
    .ci/run

# The tests alone.
test:
    cargo test --release

# Rewrites the goldens of the command; look at the diff.
bless:
    BLESS=1 cargo test --release --test it cli
