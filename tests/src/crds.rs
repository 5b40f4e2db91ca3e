//! The custom resources that manifests lean on, from their projects' Go modules.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::stack::{Stack, text};

struct Source {
    module: &'static str,
    /// As in a go.sum.
    sum: &'static str,
    /// A file in the module, or a folder of such.
    path: &'static str,
}

const SOURCES: [Source; 3] = [
    Source {
        module: "sigs.k8s.io/gateway-api@v1.6.1",
        sum: "h1:mock6phZbI6rvZerwrVNk7hVNymQgHo+6sJ81Ia7ftY=",
        path: "config/crd/standard",
    },
    Source {
        module: "github.com/cert-manager/cert-manager@v1.21.2",
        sum: "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
        path: "deploy/crds",
    },
    Source {
        module: "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        sum: "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        path: "example/prometheus-operator-crd",
    },
];

/// Lets the stack's apiserver know them all.
pub fn install(stack: &Stack) -> Result<()> {
    for source in &SOURCES {
        let path = source.download()?;
        let path = path.to_str().context("a path that is not text")?;
        stack.kubectl(&["apply", "--server-side", "-f", path])?;
    }
    let until = ["--for=condition=Established", "--timeout=60s"];
    stack.kubectl(&[&["wait", "crd", "--all"], &until[..]].concat()).map(drop)
}

// === impl Source ===

impl Source {
    fn download(&self) -> Result<PathBuf> {
        let output = Command::new("go")
            .args(["mod", "download", "-json", self.module])
            // A module of the folder's own would be asked first.
            .current_dir("/")
            .output()
            .context("missing: go")?;
        ensure!(output.status.success(), "{}: {}", self.module, text(&output));
        let module: Value = serde_json::from_slice(&output.stdout)?;
        let sum = &module["Sum"];
        ensure!(sum == self.sum, "{} has the sum {sum}, not {}", self.module, self.sum);
        let folder = module["Dir"].as_str().context("go names no folder")?;
        Ok(Path::new(folder).join(self.path))
    }
}
