//! Compiles `proto/onnx.proto` to Rust with protox, so that no `protoc` is needed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto/onnx.proto");
    let files = protox::compile(["onnx.proto"], ["proto"])?;
    prost_build::Config::new()
        .bytes(["."]) // weights stay slices of the mapped file
        .compile_fds(files)?;
    Ok(())
}
