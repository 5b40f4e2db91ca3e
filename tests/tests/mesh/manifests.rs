//! The manifests of a component, changed where a test's machine is no cluster.

use std::fs;

use keyhole_tests::stack::{Stack, kubectl, root};
use serde_json::{Value, json};

/// What `kubectl apply -k` would send.
pub struct Manifests(Vec<Value>);

// === impl Manifests ===

impl Manifests {
    /// The overlay of this name.
    pub fn of(mesh: &str) -> Self {
        let folder = root().join("k8s/overlays").join(mesh);
        let output = kubectl().arg("kustomize").arg(folder).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        Self::parse(&String::from_utf8(output.stdout).unwrap())
    }

    fn parse(text: &str) -> Self {
        Self(text.split("\n---\n").map(|text| serde_saphyr::from_str(text).unwrap()).collect())
    }

    /// The object of this kind and name.
    pub fn object(&self, kind: &str, name: &str) -> &Value {
        let found = self.0.iter().find(|object| is(object, kind, name));
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    /// What is written as clusters of Envoy, in whatever object.
    pub fn clusters(&self) -> Vec<Value> {
        let tokens =
            self.0.iter().find(|object| object["metadata"]["name"] == "keyhole-tokens");
        let tokens = tokens.expect("an object with the clusters");
        let patches = [&tokens["spec"]["configPatches"], &tokens["spec"]["jsonPatches"]];
        let patches = patches.into_iter().filter_map(Value::as_array).flatten();
        let value = |patch: &Value| {
            let value = patch.pointer("/patch/value").or(patch.pointer("/operation/value"));
            value.expect("a cluster").clone()
        };
        patches.map(value).collect()
    }

    /// Another value for a field that is there.
    pub fn set(&mut self, kind: &str, name: &str, field: &str, value: Value) {
        let object = self.0.iter_mut().find(|object| is(object, kind, name));
        let field = object.and_then(|object| object.pointer_mut(field));
        *field.unwrap_or_else(|| panic!("no such field of {kind} {name}")) = value;
    }

    /// One value more in a list.
    pub fn push(&mut self, kind: &str, name: &str, list: &str, value: Value) {
        let object = self.0.iter_mut().find(|object| is(object, kind, name));
        let list = object.and_then(|object| object.pointer_mut(list)?.as_array_mut());
        list.unwrap_or_else(|| panic!("no such list in {kind} {name}")).push(value);
    }

    pub fn add(&mut self, object: Value) {
        self.0.push(object);
    }

    /// Without what the stack has already, or what runs in a cluster only.
    pub fn without(mut self, kinds: &[&str]) -> Self {
        self.0.retain(|object| !kinds.contains(&object["kind"].as_str().unwrap()));
        self
    }

    /// Wherever these words are in a text: paths, mostly.
    pub fn replace(mut self, from: &str, to: &str) -> Self {
        self.0.iter_mut().for_each(|object| replace(object, from, to));
        self
    }

    /// The apiserver's address on this machine in the place of its name in a cluster, in
    /// what Envoy is told itself.
    pub fn with_apiserver(mut self, port: u16) -> Self {
        let there = json!({"address": "kubernetes.default.svc", "port_value": 443});
        let here = json!({"address": "127.0.0.1", "port_value": port});
        self.0.iter_mut().for_each(|object| replace_value(object, &there, &here));
        self
    }

    /// As a file that kubectl, istioctl and Envoy Gateway read.
    pub fn write(&self, file: &str) -> String {
        let documents: Vec<String> = self.0.iter().map(Value::to_string).collect();
        fs::write(file, documents.join("\n---\n")).unwrap();
        file.to_owned()
    }

    pub fn apply(&self, stack: &Stack) {
        let file = self.write(&format!("{}/manifests.yaml", stack.state().display()));
        stack.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file]).unwrap();
    }
}

fn is(object: &Value, kind: &str, name: &str) -> bool {
    object["kind"] == kind && object["metadata"]["name"] == name
}

fn replace(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) => *text = text.replace(from, to),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, from, to)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, from, to)),
        _ => {}
    }
}

fn replace_value(value: &mut Value, from: &Value, to: &Value) {
    if value == from {
        *value = to.clone();
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace_value(item, from, to)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| replace_value(field, from, to));
        }
        _ => {}
    }
}
