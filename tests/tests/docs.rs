//! Every command and every policy in the README and in the pages on policies works,
//! and what these pages show is what happens. `KEYHOLE_BLESS=1` writes anew what
//! commands print, to be read before it is committed.
//!
//! In the pages, each block of YAML starts with a comment: the name of a file, or
//! where in a policy it has its place. Commands run where these files lie, beside
//! those of `tests/cases/docs`, and with a real cluster.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs, thread};

use keyhole_core::load_policy;
use keyhole_tests::client::{Client, Response};
use keyhole_tests::console::Console;
use keyhole_tests::page::{blocks, page};
use keyhole_tests::prometheus;
use keyhole_tests::stack::{Stack, new_key, root};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/shop/pods";
const JOBS: &str = "/apis/batch/v1/namespaces/shop/jobs";

/// Where the parts of a policy have their places.
const PLACES: [(&str, &str); 4] = [
    ("in the document", ""),
    ("in a client", "/clients/0"),
    ("in a role", "/roles/0"),
    ("in a rule", "/roles/0/rules/0"),
];

#[test]
fn every_command_of_the_readme_runs() {
    let state = root().join("target/e2e/readme");
    let blocks = blocks(&page("README.md"), "console");
    assert_eq!(blocks.len(), 3);
    // `scripts/test` runs this test, and then the demo.
    assert_eq!(blocks[0], "$ ./scripts/demo\n$ ./scripts/test");
    for block in &blocks[1..] {
        let commands: Vec<&str> =
            block.lines().map(|line| line.strip_prefix("$ ").expect("a command")).collect();
        let script = commands.join("\n").replace("target/up", "target/e2e/readme");
        let path =
            format!("{}:{}", root().join("target/debug").display(), env::var("PATH").unwrap());
        let output = Command::new("bash")
            .args(["-euc", &script])
            .current_dir(root())
            .env("PATH", path)
            .env("KEYHOLE_STATE", &state)
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}\n{output:?}");
    }
    assert!(!state.join("processes").exists());
}

#[test]
fn the_policy_of_the_readme_is_valid() {
    must_load(&blocks(&page("README.md"), "yaml")[0]);
}

#[test]
fn the_pages_on_policies_show_what_happens() {
    let stack = Stack::own("docs", &["--live", "--trusted-hops", "1"]).unwrap();
    for name in ["policy", "recipes"] {
        compare(name, |page| rerun(page, &stack, &stack.state().join(name)));
    }
    let page = page("docs/policy.md");
    let refusals = refusals(&stack, &blocks(&page, "yaml")[0]);
    assert_eq!(blocks(&page, "text"), [refusals.join("\n")]);
}

#[test]
fn the_pages_on_watching_show_what_happens() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("watching");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    symlink(root().join("k8s"), folder.join("k8s")).unwrap();
    symlink(root().join("tests/cases/docs/gateway.log"), folder.join("gateway.log")).unwrap();
    let console = Console::new(&folder, &folder).unwrap();
    for name in ["decision-log", "metrics"] {
        compare(name, |page| rerun_in(page, &console, &folder));
    }
    let rules = fs::read_to_string(folder.join("keyhole-rules.yaml")).unwrap();
    assert_eq!(rules, prometheus::alerts());
}

/// A page, and what it is when its commands have run.
fn compare(name: &str, rerun: impl Fn(&str) -> String) {
    let file = root().join(format!("docs/{name}.md"));
    let written = fs::read_to_string(&file).unwrap();
    let now = rerun(&written);
    if env::var_os("KEYHOLE_BLESS").is_some() {
        fs::write(&file, now).unwrap();
    } else {
        assert_eq!(now, written, "{}", file.display());
    }
}

/// The page with what its commands print now.
fn rerun(page: &str, stack: &Stack, folder: &Path) -> String {
    fs::create_dir(folder).unwrap();
    for file in fs::read_dir(root().join("tests/cases/docs")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    let console = Console::new(folder, stack.state()).unwrap();
    let console = console.with("KUBECONFIG", stack.var("KUBECONFIG"));
    rerun_in(page, &console, folder)
}

fn rerun_in(page: &str, console: &Console, folder: &Path) -> String {
    let (mut now, mut rest) = (String::new(), page);
    while let Some((before, after)) = rest.split_once("```") {
        let (language, after) = after.split_once('\n').unwrap();
        let (block, after) = after.split_once("```\n").unwrap();
        let block = match language {
            "console" => console.rerun(block).unwrap(),
            "yaml" => {
                read(block, folder);
                block.to_owned()
            }
            "text" => block.to_owned(),
            other => panic!("nothing tests a block of `{other}`"),
        };
        now.push_str(&format!("{before}```{language}\n{block}```\n"));
        rest = after;
    }
    now + rest
}

/// Keeps a file. A policy, or a part of one, must be valid.
fn read(block: &str, folder: &Path) {
    let title = block.lines().next().and_then(|line| line.strip_prefix("# "));
    let title = title.unwrap_or_else(|| panic!("what is this?\n{block}"));
    if let Some((_, place)) = PLACES.iter().find(|(name, _)| *name == title) {
        return must_load(&completed(block, place));
    }
    if block.contains("\napiVersion: keyhole/v1\n") {
        must_load(block);
    }
    assert!(Path::new(title).extension().is_some(), "`{title}` is not a file");
    fs::write(folder.join(title), block).unwrap();
}

/// A policy with these fields at this place.
fn completed(fields: &str, place: &str) -> String {
    let mut policy = json!({
        "apiVersion": "keyhole/v1",
        "kind": "Policy",
        "clients": [{
            "name": "sql-prod-01",
            "keys": [{"sha256": "a".repeat(64)}],
            "serviceAccount": {"namespace": "shop", "name": "sql-prod"},
            "roles": ["viewer"],
        }],
        "roles": [{"name": "viewer", "rules": [{
            "namespaces": ["shop"], "apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"],
        }]}],
    });
    let fields: Value = serde_saphyr::from_str(fields).unwrap();
    let at = policy.pointer_mut(place).and_then(Value::as_object_mut).unwrap();
    at.extend(fields.as_object().unwrap().clone());
    policy.to_string()
}

fn must_load(policy: &str) {
    if let Err(problems) = load_policy(policy) {
        panic!("{policy}\n{problems:?}");
    }
}

/// What the client of this policy is told when it may not do something: the code and
/// the message, in the order of the checks.
fn refusals(stack: &Stack, policy: &str) -> Vec<String> {
    let (key, digest) = new_key("sql-prod-01");
    let (_, rest) = policy.split_once("sha256: \"").unwrap();
    stack.apply(&policy.replace(&rest[..64], &digest)).unwrap();
    let there = stack.anonymous().with("x-forwarded-for", "10.20.1.1");
    let elsewhere = stack.anonymous().with("x-forwarded-for", "192.0.2.1").with_key(&key);
    let client = there.with_key(&key);
    let job = |image: &str| {
        format!(
            r#"{{"metadata":{{"name":"sql-1"}},"spec":{{"template":{{"spec":{{"containers":[{{"name":"c","image":"{image}"}}]}}}}}}}}"#
        )
    };
    while client.get(PODS).unwrap().status == 401 {
        thread::sleep(Duration::from_millis(100));
    }
    let mut responses = vec![there.get(PODS).unwrap(), elsewhere.get(PODS).unwrap()];
    let in_flight = one_too_many(&client);
    let burst = || (0..100).map(|_| client.get(PODS).unwrap()).find(|one| one.status == 429);
    let rated = burst().unwrap();
    thread::sleep(Duration::from_secs(2));
    responses.extend([
        in_flight,
        rated,
        client.post(JOBS, &job(&"x".repeat(70_000))).unwrap(),
        client.delete(&format!("{PODS}/web-0")).unwrap(),
        client.post(JOBS, &job("docker.io/library/busybox:1.36")).unwrap(),
    ]);
    let told =
        responses.iter().map(|told| format!("{} {}", told.status, told.field("/message")));
    told.collect()
}

/// What a request is told beside four watches.
fn one_too_many(client: &Client) -> Response {
    let watch = || client.get(&format!("{PODS}?watch=true&timeoutSeconds=4")).unwrap();
    thread::scope(|scope| {
        let watches: Vec<_> = (0..4).map(|_| scope.spawn(watch)).collect();
        thread::sleep(Duration::from_secs(2));
        let refused = client.get(PODS).unwrap();
        assert!(watches.into_iter().all(|watch| watch.join().unwrap().status == 200));
        refused
    })
}
