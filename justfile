# Short names for the commands in CONTRIBUTING.md (https://just.systems).

# The pure core and the shape of the source tree: where to start.
check:
    cargo test -p towline-core -p towline-testkit

# Everything that CI runs; installs what is missing.
test:
    ./test

# CI's tests and the long tests.
full:
    ./test full

# The engine, the client and the decoder, as ratios to a program that counts newlines.
bench:
    cargo bench -p towline -p towline-core

# The site (target/book) and the Rust API (target/doc).
docs:
    packaging/site
    cargo doc --workspace --no-deps
