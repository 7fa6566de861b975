//! Compiles `proto/onnx.proto` to Rust with protox, so that no `protoc` is needed, and looks whether the real models that some tests
//! need are there: without them these tests are reported as ignored, unless `SECATEUR_ZOO=required`.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto/onnx.proto");
    let files = protox::compile(["onnx.proto"], ["proto"])?;
    prost_build::Config::new()
        .bytes(["."]) // weights stay slices of the mapped file
        .compile_fds(files)?;
    println!("cargo::rerun-if-env-changed=SECATEUR_ZOO");
    println!("cargo::rustc-check-cfg=cfg(zoo)");
    if Path::new("../shared/zoo/index.json").exists() || std::env::var("SECATEUR_ZOO").is_ok_and(|v| v == "required") {
        println!("cargo::rustc-cfg=zoo");
    }
    Ok(())
}
