//! Writes the networks of the pruning papers, with seeded weights: `cargo run --release --example networks -- FOLDER`.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::PathBuf;

use secateur::Model;
use secateur::build::networks::{Shortcut, cifar_resnet, resnet, vgg16};
use secateur::model::write::{Layout, write_beside};

type Build = fn() -> secateur::Result<Model>;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("say where to: networks FOLDER")?);
    std::fs::create_dir_all(&folder)?;
    let networks: [(&str, Build); 6] = [
        ("resnet20", || cifar_resnet(20, Shortcut::Pad, 0)),
        ("resnet20_projection", || cifar_resnet(20, Shortcut::Projection, 0)),
        ("resnet56", || cifar_resnet(56, Shortcut::Pad, 0)),
        ("vgg16", || vgg16(0)),
        ("resnet18", || resnet(18, 0)),
        ("resnet50", || resnet(50, 0)),
    ];
    for (name, build) in networks {
        let path = folder.join(format!("{name}.onnx"));
        write_beside(&build()?, &path, Layout::default())?.commit(true)?;
        println!("{}", path.display());
    }
    Ok(())
}
