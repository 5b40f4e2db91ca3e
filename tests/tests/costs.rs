//! What one request costs, in what can be counted: each crossing between Envoy and the
//! filter, the bytes copied there, the filter's instructions, and the core's allocations.
//! `tests/cases/costs.toml` is the record; `KEYHOLE_BLESS=1` writes it anew, for its diff
//! to be read before it is committed.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::{env, fs};

use keyhole_core::{Body, HeaderList, Verdict, load_policy};
use keyhole_tests::issuer::Pair;
use keyhole_tests::sample::{self, Gateway, NOW};
use keyhole_tests::stack::root;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/d0/pods?limit=500&labelSelector=app%3Dweb";
const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-0"},"spec":{}}"#;
/// Without names and other custom sections.
const MOST_WASM_BYTES: usize = 1_750_000;
const HEAD: &str = "\
# Written by tests/tests/costs.rs with KEYHOLE_BLESS=1. `> NAME` is a call of Envoy's into the
# filter, `< NAME` one of the filter's to Envoy; bytes_in and bytes_out are copied with them.
# Instructions are WebAssembly's, and may differ by 2 %. Allocations are the core's, natively.

";

#[derive(Debug, Deserialize, Serialize)]
struct Cost {
    crossings: Vec<String>,
    bytes_in: usize,
    bytes_out: usize,
    instructions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    allocations: Option<u64>,
}

struct Request {
    name: &'static str,
    headers: HeaderList,
    body: &'static str,
    is_forwarded: bool,
}

type Costs = BTreeMap<String, Cost>;

#[test]
fn promise_9_a_request_costs_what_is_recorded_with_one_client_and_with_ten_thousand() {
    let pair = Pair::new("EdDSA", "k").unwrap();
    let by_token = [by_token(&sample::token(&pair, NOW.wall.as_secs()).unwrap())];
    let few = [
        request("list, 1 client", "GET", PODS, "", true),
        request("create", "POST", "/api/v1/namespaces/d0/pods", POD, true),
        request("denied", "DELETE", "/api/v1/namespaces/d0/pods/web-0", "", false),
        stranger(),
    ];
    let many = [request("list, 10000 clients", "GET", PODS, "", true)];
    let small = sample::text(1, 20);
    let policies = [
        (small.clone(), &few[..]),
        (sample::text(10_000, 1000), &many[..]),
        (sample::with_tokens(&small, &pair), &by_token[..]),
    ];

    let mut costs = in_the_filter(&policies);
    for (policy, requests) in &policies {
        let mut gateway = Gateway::new(load_policy(policy).unwrap().policy);
        for request in *requests {
            costs.get_mut(request.name).unwrap().allocations =
                Some(allocations(&mut gateway, request));
        }
    }
    let [few, many] = ["list, 1 client", "list, 10000 clients"].map(|name| &costs[name]);
    assert_eq!((&few.crossings, few.allocations), (&many.crossings, many.allocations));
    assert!(is_near(few.instructions, many.instructions, 5), "{few:?} {many:?}");
    let token = &costs["list, by a known token"];
    assert_eq!((&few.crossings, few.allocations), (&token.crossings, token.allocations));

    let file = root().join("tests/cases/costs.toml");
    if env::var_os("KEYHOLE_BLESS").is_some() {
        let text = toml::to_string_pretty(&costs).unwrap();
        fs::write(&file, format!("{HEAD}{text}")).unwrap();
    }
    let recorded: Costs = toml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert!(costs.keys().eq(recorded.keys()));
    for (name, cost) in &costs {
        let recorded = &recorded[name];
        assert_eq!(cost.crossings, recorded.crossings, "{name}");
        assert_eq!(
            (cost.bytes_in, cost.bytes_out, cost.allocations),
            (recorded.bytes_in, recorded.bytes_out, recorded.allocations),
            "{name}"
        );
        let (now, before) = (cost.instructions, recorded.instructions);
        assert!(is_near(now, before, 2), "{name}: {now} instructions, recorded are {before}");
    }
}

#[test]
fn the_filter_is_no_larger_than_it_has_to_be() {
    let size = code_and_data(&fs::read(wasm()).unwrap());
    println!("{size} bytes");
    assert!(size <= MOST_WASM_BYTES, "{size}");
}

fn in_the_filter(policies: &[(String, &[Request])]) -> Costs {
    let text = fs::read_to_string(root().join("envoy/ecds.yaml")).unwrap();
    let (_, list) = text.split_once("allowed_capabilities:\n").unwrap();
    let allowed: Vec<_> =
        list.lines().map_while(|line| line.trim().strip_suffix(": {}")).collect();
    let policies: Vec<Value> = policies
        .iter()
        .map(|(policy, requests)| {
            let requests: Vec<Value> = requests.iter().map(Request::json).collect();
            json!({"text": policy, "requests": requests})
        })
        .collect();
    let plan = json!({
        "wasm": wasm(),
        "allowed": allowed,
        "token_answer": str::from_utf8(sample::TOKEN).unwrap(),
        "policies": policies,
        "response": {"headers": response(), "body": pods()},
    });
    let mut python = Command::new("python3")
        .args(["-B", "tests/costs/measure.py"])
        .current_dir(root())
        .env("PYTHONPATH", root().join(".tools/wasmtime"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    python.stdin.take().unwrap().write_all(plan.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "run scripts/setup-tests and scripts/build");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Of the core's step for one request: once for each thing that it writes, and for little
/// else.
fn allocations(gateway: &mut Gateway, request: &Request) -> u64 {
    let body = if request.body.is_empty() { Body::Empty } else { Body::Follows };
    // The first of a kind finds a token, and begins a count.
    gateway.judge(&request.headers, body);
    let counted = allocation_counter::measure(|| {
        let verdict = gateway.request(&request.headers, body);
        assert_eq!(matches!(verdict, Some(Verdict::Forward(_))), request.is_forwarded);
    });
    counted.count_total
}

fn wasm() -> std::path::PathBuf {
    root().join("target/wasm32-wasip1/release/keyhole_filter.wasm")
}

fn request(
    name: &'static str,
    method: &str,
    target: &str,
    body: &'static str,
    is_forwarded: bool,
) -> Request {
    Request { name, headers: sample::headers(method, target), body, is_forwarded }
}

fn stranger() -> Request {
    let headers = sample::headers_with("GET", PODS, ("x-api-key", "another"));
    Request { name: "unknown key", headers, body: "", is_forwarded: false }
}

fn by_token(token: &str) -> Request {
    let bearer = format!("Bearer {token}");
    let headers = sample::headers_with("GET", PODS, ("authorization", &bearer));
    Request { name: "list, by a known token", headers, body: "", is_forwarded: true }
}

/// As kube-apiserver answers.
const fn response() -> [(&'static str, &'static str); 8] {
    [
        (":status", "200"),
        ("audit-id", "0f4f3f1e-7f3b-4f5c-9a25-7f6f0f9f8f7e"),
        ("cache-control", "no-cache, private"),
        ("content-type", "application/json"),
        ("x-kubernetes-pf-flowschema-uid", "c1b3a1d6-0c8d-4f0e-8f5e-0f9f8f7e7f3b"),
        ("x-kubernetes-pf-prioritylevel-uid", "7f6f0f9f-8f7e-4f5c-9a25-0f4f3f1e7f3b"),
        ("date", "Sat, 21 Nov 2026 18:27:48 GMT"),
        ("content-length", "4096"),
    ]
}

/// What kube-apiserver says of two pods, 4 KB; a third of it is left out.
fn pods() -> String {
    let fields = json!({"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:spec": {"f:containers": {
        "k:{\"name\":\"web\"}": {".": {}, "f:image": {}, "f:imagePullPolicy": {}, "f:name": {}, "f:resources": {},
            "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {}}},
        "f:dnsPolicy": {}, "f:enableServiceLinks": {}, "f:restartPolicy": {}, "f:schedulerName": {}}});
    let pod = |name: &str| {
        json!({
            "metadata": {
                "name": name, "namespace": "default", "uid": "6d0f0c1e-0000-4000-8000-000000000000",
                "resourceVersion": "216", "generation": 1, "creationTimestamp": "2026-11-21T18:53:18Z",
                "labels": {"app": "web"},
                "managedFields": [{"manager": "keyhole", "operation": "Update", "apiVersion": "v1",
                    "time": "2026-11-21T18:53:18Z", "fieldsType": "FieldsV1", "fieldsV1": fields}],
            },
            "spec": {
                "containers": [{"name": "web", "image": "shop/web:1.2.3", "imagePullPolicy": "IfNotPresent",
                    "resources": {"limits": {"cpu": "1", "memory": "128Mi"}},
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                    "volumeMounts": [{"name": "token", "readOnly": true,
                        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]}],
                "dnsPolicy": "ClusterFirst", "nodeName": "node0", "restartPolicy": "Always",
                "schedulerName": "default-scheduler", "serviceAccountName": "default",
                "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
                    "tolerationSeconds": 300}],
            },
            "status": {"phase": "Running", "podIP": "10.244.0.7", "qosClass": "Guaranteed",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T18:53:20Z"}]},
        })
    };
    json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "217"},
        "items": [pod("web-0"), pod("web-1")]})
    .to_string()
}

/// A module is its magic, then sections: an id, a size in LEB128, and so many bytes. Id 0
/// is a custom section.
fn code_and_data(wasm: &[u8]) -> usize {
    let (mut at, mut custom) = (8, 0);
    while at < wasm.len() {
        let (id, start) = (wasm[at], at);
        let (mut size, mut shift) = (0, 0);
        loop {
            at += 1;
            size |= usize::from(wasm[at] & 0x7f) << shift;
            shift += 7;
            if wasm[at] < 0x80 {
                break;
            }
        }
        at += 1 + size;
        if id == 0 {
            custom += at - start;
        }
    }
    wasm.len() - custom
}

fn is_near(one: u64, other: u64, percent: u64) -> bool {
    one.abs_diff(other) * 100 <= other * percent
}

// === impl Request ===

impl Request {
    fn json(&self) -> Value {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| [name, value].map(String::from_utf8_lossy))
            .collect();
        json!({
            "name": self.name,
            "headers": headers,
            "body": self.body,
            "is_forwarded": self.is_forwarded,
        })
    }
}
