//! A registry of images on this machine, with the filter in it as both meshes read it: one
//! layer with the file `plugin.wasm`.

use std::fs;
use std::process::Command;

use keyhole_tests::stack::{Stack, root};

use crate::program::{Program, free_ports, program};

pub struct Registry {
    _program: Program,
    pub address: String,
}

// === impl Registry ===

impl Registry {
    pub fn with_filter(stack: &Stack) -> Self {
        let [port] = free_ports();
        let address = format!("127.0.0.1:{port}");
        let mut command = program("crane");
        command.args(["registry", "serve", "--address", &address]);
        let mut registry = Program::start(command, "registry", stack);
        let url = format!("http://{address}/v2/");
        registry.until("the registry", || {
            Command::new("curl").args(["-fsS", &url]).output().unwrap().status.success()
        });

        let folder = stack.state().join("image");
        fs::create_dir_all(&folder).unwrap();
        let wasm = root().join("target/wasm32-wasip1/release/keyhole_filter.wasm");
        fs::copy(wasm, folder.join("plugin.wasm")).unwrap();
        let layer = folder.join("layer.tar.gz");
        must(
            Command::new("tar")
                .arg("-czf")
                .arg(&layer)
                .arg("-C")
                .arg(&folder)
                .arg("plugin.wasm"),
        );
        let image = format!("{address}/keyhole/filter:0.1.0");
        must(
            program("crane")
                .args(["append", "--oci-empty-base", "-t", &image, "-f"])
                .arg(&layer),
        );
        Self { _program: registry, address }
    }
}

fn must(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}
