//! What `k8s/` deploys: a real apiserver accepts it, and it fits what it is made of.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use keyhole_tests::crds;
use keyhole_tests::stack::{Stack, kubectl, root};
use serde_json::Value;

/// The folders in this one, by name.
fn folders(path: &str) -> Vec<String> {
    let folders = fs::read_dir(root().join(path)).unwrap().map(|entry| entry.unwrap());
    let names = folders.map(|folder| folder.file_name().into_string().unwrap());
    let mut names: Vec<_> = names.map(|name| format!("{path}/{name}")).collect();
    names.sort();
    names
}

/// A kustomization of the base with this component, and what patches it.
fn with_component(component: &str, patches: &str) -> PathBuf {
    let folder = root().join("target/e2e/kustomizations").join(component.replace('/', "-"));
    fs::create_dir_all(&folder).unwrap();
    let kustomization = format!(
        "resources: [../../../../k8s/base]\ncomponents: [../../../../{component}]\n{patches}"
    );
    fs::write(folder.join("kustomization.yaml"), kustomization).unwrap();
    folder
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

fn printed(output: Output) -> String {
    String::from_utf8(output.stdout).unwrap()
}

fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

fn built(kustomization: &Path) -> Vec<Value> {
    documents(&printed(run(kubectl().arg("kustomize").arg(kustomization))))
}

fn keyhole(arguments: &[&str]) -> String {
    let keyhole = root().join("target/debug/keyhole");
    printed(run(Command::new(keyhole).args(arguments).current_dir(root())))
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is = |object: &&Value| {
        let found = object["metadata"]["name"].as_str().unwrap();
        object["kind"] == kind && found.starts_with(name)
    };
    objects.iter().find(is).unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// What the apiserver said of it beside that it took it.
fn applied(stack: &Stack, kustomization: &Path) -> String {
    let output = run(kubectl()
        .args(["--kubeconfig", stack.var("KUBECONFIG"), "apply", "-k"])
        .arg(kustomization));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_real_apiserver_accepts_every_manifest_without_a_warning() {
    let stack = Stack::own("manifests", &[]).unwrap();
    crds::install(&stack).unwrap();
    let base = root().join("k8s/base");
    assert_eq!(applied(&stack, &base), "");
    let overlays = folders("k8s/overlays").into_iter().map(|overlay| root().join(overlay));
    let components = folders("k8s/components");
    let components = components.iter().map(|component| with_component(component, ""));
    for kustomization in overlays.chain(components) {
        assert_eq!(applied(&stack, &kustomization), "", "{}", kustomization.display());
    }
    // And would have told.
    let patch = "patches:\n- target: {kind: Deployment, name: keyhole}\n  \
                 patch: '[{\"op\": \"remove\", \"path\": \"/spec/template/spec/securityContext/seccompProfile\"}]'\n";
    let told = applied(&stack, &with_component("k8s/components/autoscale", patch));
    assert!(told.contains("would violate PodSecurity \"restricted"), "{told}");
    the_gateways_account_may_do_little(&stack);
}

#[rustfmt::skip]
fn the_gateways_account_may_do_little(stack: &Stack) {
    for (namespace, what, expected) in [
        ("keyhole", &["get", "configmaps/keyhole-policy"][..],                     "yes"),
        ("keyhole", &["create", "events"],                                         "yes"),
        ("shop",    &["create", "serviceaccounts/sql-prod-01", "--subresource=token"], "yes"),
        ("shop",    &["create", "serviceaccounts/default", "--subresource=token"],  "no"),
        ("keyhole", &["create", "serviceaccounts/keyhole", "--subresource=token"],  "no"),
        ("keyhole", &["get", "configmaps/other"],                                  "no"),
        ("keyhole", &["list", "configmaps"],                                       "no"),
        ("keyhole", &["update", "configmaps/keyhole-policy"],                      "no"),
        ("keyhole", &["get", "secrets/keyhole-tls"],                               "no"),
        ("shop",    &["get", "pods"],                                              "no"),
    ] {
        let answer = kubectl()
            .args(["--kubeconfig", stack.var("KUBECONFIG"), "auth", "can-i", "-n", namespace])
            .args(["--as", "system:serviceaccount:keyhole:keyhole"])
            .args(what)
            .output();
        assert_eq!(printed(answer.unwrap()).trim(), expected, "{namespace} {what:?}");
    }
}

#[test]
fn what_commands_print_is_what_is_deployed() {
    let map = "--config-map=keyhole/keyhole-policy";
    let (base, example) = (root().join("k8s/base"), "k8s/overlays/example");
    let read = |path: String| fs::read_to_string(root().join(path)).unwrap();
    let (policy, of_base) = (format!("{example}/policy.yaml"), "k8s/base/policy.yaml");
    for (file, command) in [
        ("k8s/base/ecds.yaml".to_owned(), &["policy", "render", map][..]),
        (format!("{example}/tokens.yaml"), &["rbac", "gateway", &policy]),
        (format!("{example}/permissions.yaml"), &["rbac", "generate", &policy]),
    ] {
        let renew = format!("renew it: keyhole {} >{file}", command.join(" "));
        assert_eq!(read(file), keyhole(command), "{renew}");
    }
    let rights = |object: &Value| (object["rules"].clone(), object["subjects"].clone());
    let printed = documents(&keyhole(&["rbac", "gateway", of_base, map]));
    let objects = built(&base);
    for object in printed {
        let kind = object["kind"].as_str().unwrap();
        let deployed = find(&objects, kind, object["metadata"]["name"].as_str().unwrap());
        assert_eq!(rights(deployed), rights(&object));
    }
}

/// What a component merges into a list takes the place of all that was there.
#[test]
fn components_only_add_to_what_the_network_policy_lets_pass() {
    let rules = |objects: &[Value]| {
        let of = |policy: &Value, way: &str| policy["spec"][way].as_array().unwrap().clone();
        let is = |object: &&Value| {
            object["kind"] == "NetworkPolicy" && object["metadata"]["name"] == "keyhole"
        };
        let policy = objects.iter().find(is)?;
        Some([of(policy, "ingress"), of(policy, "egress")].concat())
    };
    let base = rules(&built(&root().join("k8s/base"))).unwrap();
    assert_eq!(base.len(), 3);
    for component in folders("k8s/components") {
        let rules = rules(&built(&with_component(&component, "")));
        // Envoy Gateway's Envoy has none.
        assert_eq!(rules.is_none(), component == "k8s/components/envoy-gateway");
        for rule in base.iter().filter(|_| rules.is_some()) {
            assert!(rules.as_ref().unwrap().contains(rule), "{component}: {rule}");
        }
    }
}

/// The filter of a ConfigMap is unpacked by a shell, and only as it was packed.
#[test]
fn a_filter_from_a_configmap_is_the_one_that_was_put_there() {
    let objects = built(&with_component("k8s/components/filter-configmap", ""));
    let pod = &find(&objects, "Deployment", "keyhole")["spec"]["template"]["spec"];
    let script = pod["initContainers"][0]["args"][0].as_str().unwrap();
    let state = root().join("target/e2e/filter-configmap");
    let _ = fs::remove_dir_all(&state);
    for folder in ["compressed", "filter"] {
        fs::create_dir_all(state.join(folder)).unwrap();
    }
    let bash = |script: &str| {
        Command::new("sh").args(["-euc", script]).current_dir(&state).output().unwrap()
    };
    let here = |folder: &str| state.join(folder).display().to_string();
    let script = script.replace("/compressed", &here("compressed"));
    let script = script.replace("/etc/keyhole/filter", &here("filter"));
    let pack =
        "cd compressed; cp ../../../wasm32-wasip1/release/keyhole_filter.wasm keyhole.wasm
                sha256sum keyhole.wasm >keyhole.wasm.sha256; gzip -9n keyhole.wasm";
    assert!(bash(pack).status.success());
    assert!(bash(&script).status.success());
    let built = root().join("target/wasm32-wasip1/release/keyhole_filter.wasm");
    assert!(fs::read(state.join("filter/keyhole.wasm")).unwrap() == fs::read(built).unwrap());
    assert!(bash("printf other | gzip >compressed/keyhole.wasm.gz").status.success());
    let refused = bash(&script);
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stdout).unwrap().contains("FAILED"));
}

/// The files below /etc/keyhole that Envoy's configuration names.
fn named(objects: &[Value]) -> BTreeSet<String> {
    let maps = objects.iter().filter(|object| object["kind"] == "ConfigMap");
    let texts = maps.flat_map(|map| map["data"].as_object().unwrap().values());
    let texts: Vec<_> = texts.map(|text| text.as_str().unwrap()).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
    let names = lines.flat_map(|line| line.split(['"', ' ', '{', '}', ',']));
    let names = names.filter(|name| name.starts_with("/etc/keyhole/"));
    // A folder that is watched has no file of its own.
    let is_file =
        |name: &&str| name.rsplit('/').next().unwrap().contains('.') || name.ends_with("token");
    names.filter(is_file).map(str::to_owned).collect()
}

/// Those that the Deployment mounts, or the image brings.
fn mounted(deployment: &Value) -> BTreeSet<String> {
    let pod = &deployment["spec"]["template"]["spec"];
    let mut files = BTreeSet::from(["/etc/keyhole/filter/keyhole.wasm".to_owned()]);
    for mount in pod["containers"][0]["volumeMounts"].as_array().unwrap() {
        let volumes = pod["volumes"].as_array().unwrap();
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
        let of = |items: &Value| {
            let items = items.as_array().cloned().unwrap_or_default();
            items
                .iter()
                .map(|item| item["path"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let mut paths = of(&volume["configMap"]["items"]);
        for source in volume["projected"]["sources"].as_array().unwrap_or(&Vec::new()) {
            paths.extend(of(&source["configMap"]["items"]));
            paths.extend(source["serviceAccountToken"]["path"].as_str().map(str::to_owned));
        }
        if !volume["secret"].is_null() {
            paths.extend(["tls.crt".to_owned(), "tls.key".to_owned()]);
        }
        if paths.is_empty() {
            paths.push("ecds.yaml".to_owned());
        }
        let at = mount["mountPath"].as_str().unwrap();
        files.extend(paths.iter().map(|path| format!("{at}/{path}")));
    }
    files
}

#[test]
fn envoy_finds_every_file_that_it_is_told_of() {
    let objects = built(&root().join("k8s/base"));
    let mut mounted = mounted(find(&objects, "Deployment", "keyhole"));
    let named = named(&objects);
    assert!(mounted.remove("/etc/keyhole/envoy/bootstrap.yaml"));
    assert_eq!(named, mounted);
    assert_eq!(named.len(), 9);
}
