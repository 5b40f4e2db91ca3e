//! The archives of images that are written without a container engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyhole_tests::stack::root;
use serde_json::Value;

/// An archive that is unpacked.
struct Archive(PathBuf);

impl Archive {
    fn unpacked(archive: &Path) -> Self {
        let folder = archive.with_extension("unpacked");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        run(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(&folder));
        Self(folder)
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&fs::read(self.0.join(path)).unwrap()).unwrap()
    }

    /// The path of what a descriptor tells of, which must be as it says.
    fn blob(&self, descriptor: &Value, media: &str) -> String {
        assert_eq!(descriptor["mediaType"], format!("application/vnd.oci.image.{media}"));
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let path = format!("blobs/sha256/{digest}");
        let sum = run(Command::new("sha256sum").arg(self.0.join(&path)));
        assert_eq!(sum.split(' ').next(), Some(digest));
        assert_eq!(descriptor["size"], fs::metadata(self.0.join(&path)).unwrap().len());
        path
    }

    fn listed(&self, layer: &str) -> String {
        run(Command::new("tar").arg("-tf").arg(self.0.join(layer)))
    }

    fn file(&self, layer: &str, name: &str) -> Vec<u8> {
        let mut tar = Command::new("tar");
        tar.arg("-xOf").arg(self.0.join(layer)).arg(name).output().unwrap().stdout
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn folder(name: &str) -> PathBuf {
    let folder = root().join("target/e2e").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn wasm() -> Vec<u8> {
    fs::read(root().join("target/wasm32-wasip1/release/keyhole_filter.wasm")).unwrap()
}

/// As Istio and Envoy Gateway read it: the "compat" form of the Wasm image specification.
#[test]
fn the_filter_as_an_image_is_one_layer_with_the_plugin_the_same_each_time() {
    let folder = folder("filter-image");
    let archives = ["a.tar", "b.tar"].map(|name| {
        let wasm_file = folder.join("keyhole.wasm");
        fs::write(&wasm_file, wasm()).unwrap();
        let archive = folder.join(name);
        let file = format!("plugin.wasm={}", wasm_file.display());
        let mut write = Command::new(root().join("k8s/image/archive"));
        run(write.arg(&archive).args(["keyhole/filter:1", "--gzip", &file]));
        archive
    });
    let [first, second] = archives.each_ref().map(|archive| fs::read(archive).unwrap());
    assert!(first == second);
    let archive = Archive::unpacked(&archives[0]);
    assert_eq!(archive.json("oci-layout")["imageLayoutVersion"], "1.0.0");
    let index = archive.json("index.json");
    let manifest = archive.json(&archive.blob(&index["manifests"][0], "manifest.v1+json"));
    let config = archive.json(&archive.blob(&manifest["config"], "config.v1+json"));
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    let layer = archive.blob(&manifest["layers"][0], "layer.v1.tar+gzip");
    assert_eq!(archive.listed(&layer), "plugin.wasm\n");
    assert!(archive.file(&layer, "plugin.wasm") == wasm());
    let unpacked = format!("gzip -dc {} | sha256sum", archive.0.join(&layer).display());
    let sum = run(Command::new("sh").args(["-c", &unpacked]));
    let sum = format!("sha256:{}", sum.split(' ').next().unwrap());
    assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!([sum]));
}

/// As containerd, docker and podman read it.
#[test]
fn the_gateways_image_brings_all_that_it_runs() {
    let folder = folder("gateway-image");
    let archive = folder.join("gateway.tar");
    run(Command::new(root().join("scripts/image")).arg(&archive).arg("keyhole/gateway:1"));
    let archive = Archive::unpacked(&archive);
    let saved = &archive.json("manifest.json")[0];
    assert_eq!(saved["RepoTags"], serde_json::json!(["keyhole/gateway:1"]));
    let config = archive.json(saved["Config"].as_str().unwrap());
    assert_eq!(config["config"]["User"], "65532:65532");
    let layer = saved["Layers"][0].as_str().unwrap();
    assert!(archive.file(layer, "etc/keyhole/filter/keyhole.wasm") == wasm());
    let listed = archive.listed(layer);
    for program in ["envoy", "keyhole"] {
        let path = format!("usr/local/bin/{program}");
        fs::write(folder.join(program), archive.file(layer, &path)).unwrap();
        let needed = run(Command::new("ldd").arg(folder.join(program)));
        let needed = needed.split_whitespace().filter_map(|word| word.strip_prefix('/'));
        let needed: Vec<_> = needed.collect();
        assert!(needed.len() >= 3, "{needed:?}");
        for library in needed {
            assert!(listed.lines().any(|path| path == library), "{library}\n{listed}");
        }
    }
    fs::remove_dir_all(folder).unwrap();
}
