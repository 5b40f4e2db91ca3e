//! A registry of images on this machine, with the filter in it by the steps of
//! docs/meshes.md.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::{env, fs};

use keyhole_tests::page::{blocks, page};
use keyhole_tests::stack::{Stack, root};

use crate::program::{Program, free_ports, program, tools};

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
        symlink(root().join("target"), folder.join("target")).unwrap();
        let steps = blocks(&page("docs/meshes.md"), "console").swap_remove(0);
        let steps = steps.replace("$ ", "").replace("registry.example.com", &address);
        let path = format!("{}:{}", tools().display(), env::var("PATH").unwrap());
        let pushed = Command::new("bash")
            .args(["-euc", &steps])
            .current_dir(&folder)
            .env("PATH", path)
            .output()
            .unwrap();
        assert!(pushed.status.success(), "{steps}: {pushed:?}");
        Self { _program: registry, address }
    }
}
