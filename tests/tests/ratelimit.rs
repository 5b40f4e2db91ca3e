//! The component `ratelimit`: one limit for two gateways, by Envoy's own rate limit service
//! and a real Redis, as the component configures them.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{array, env};

use keyhole_tests::client::{Client, Response};
use keyhole_tests::router_log::{FORWARDED, header_lists, names};
use keyhole_tests::stack::{OwnStack, Stack, new_key, root};
use serde_json::Value;

const COMPONENT: &str = "k8s/components/ratelimit";
/// The filters go before this one, the listener and the clusters before these sections.
const BUFFER: &str = "          # The apiserver's own limit; here it answers";
const CLUSTERS: &str = "  clusters:\n";
const AFTER_CLUSTERS: &str = "\nlayered_runtime:\n";
/// The cluster that gets another way, and its name then.
const AGAIN: [&str; 2] =
    ["  - name: kube-apiserver-again\n", "  - name: kube-apiserver-again-counted\n"];
const PODS: &str = "/api/v1/namespaces/default/pods";

/// For the client that is limited: no test lasts so long.
const LIMITS: &str = "\
domain: keyhole
descriptors:
- key: client
  rate_limit: {unit: second, requests_per_unit: 1000}
- key: client
  value: sql-prod-01
  rate_limit: {unit: day, requests_per_unit: 10}
";

fn component(file: &str) -> String {
    fs::read_to_string(root().join(COMPONENT).join(file)).unwrap()
}

/// A bootstrap with what the component adds.
fn with_limits(bootstrap: &str) -> String {
    let filters = component("filters.yaml");
    let listener = component("listener.yaml").replace("          # filters.yaml\n", &filters);
    let clusters = component("clusters.yaml");
    let mut text = bootstrap.to_owned();
    for (there, new) in [
        (AGAIN[0], AGAIN[1].to_owned()),
        (BUFFER, format!("{filters}{BUFFER}")),
        (CLUSTERS, format!("{listener}{CLUSTERS}")),
        (AFTER_CLUSTERS, format!("{clusters}{AFTER_CLUSTERS}")),
    ] {
        assert_eq!(text.matches(there).count(), 1, "{there}");
        text = text.replace(there, &new);
    }
    text
}

#[test]
fn the_components_bootstrap_is_the_gateways_own_with_the_limits_in_it() {
    let expected =
        with_limits(&fs::read_to_string(root().join("envoy/bootstrap.yaml")).unwrap());
    if env::var_os("KEYHOLE_BLESS").is_some() {
        fs::write(root().join(COMPONENT).join("bootstrap.yaml"), &expected).unwrap();
    }
    assert_eq!(component("bootstrap.yaml"), expected);
}

/// A process that ends with its owner.
struct Running(Child);

impl Running {
    fn start(command: &mut Command, log: &Path) -> Self {
        let log = fs::File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).unwrap();
    }
}

fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] =
        array::from_fn(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// The container of a manifest that has one.
fn container(file: &str) -> Value {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&component(file)).unwrap();
    documents[0].pointer("/spec/template/spec/containers/0").unwrap().clone()
}

fn redis(stack: &OwnStack, port: u16) -> Running {
    let arguments = container("redis.yaml")["args"].as_array().unwrap().clone();
    let arguments = arguments.iter().map(|own| own.as_str().unwrap());
    // The first is the program.
    let arguments = arguments.skip(1).map(|own| own.replace("$(PASSWORD)", "secret"));
    let folder = root().join(".tools/redis");
    let mut command = Command::new(folder.join("redis-server"));
    command.args(arguments).args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    Running::start(&mut command, &stack.state().join("logs/redis.log"))
}

/// As the kubelet mounts them, and changes them.
fn mount_limits(stack: &OwnStack, gateway: &str, limits: &str) {
    let file = stack.state().join("limits.yaml");
    fs::write(&file, limits).unwrap();
    let mut command = Command::new(root().join("scripts/mount"));
    command.arg(stack.state().join(gateway).join("ratelimit/config"));
    let status = command.arg(format!("limits.yaml={}", file.display())).status();
    assert!(status.unwrap().success());
}

/// A gateway's Envoy, and the service beside it.
struct Gateway {
    _envoy: Running,
    limiter: Option<Running>,
    client: Client,
    admin: String,
}

impl Gateway {
    fn start(stack: &OwnStack, name: &str, redis: u16) -> Self {
        let [clients, monitoring, admin, grpc, http, debug] = free_ports();
        let state = stack.state();
        mount_limits(stack, name, LIMITS);
        let container = container("deployment.yaml");
        let variables = container["env"].as_array().unwrap().iter().filter_map(|variable| {
            Some((variable["name"].as_str().unwrap(), variable["value"].as_str()?))
        });
        let mut command = Command::new(root().join(".tools/ratelimit/ratelimit"));
        command
            .envs(variables)
            .env("GRPC_PORT", grpc.to_string())
            .env("PORT", http.to_string())
            .env("DEBUG_PORT", debug.to_string())
            .env("REDIS_URL", format!("127.0.0.1:{redis}"))
            .env("REDIS_AUTH", "secret")
            .env("RUNTIME_ROOT", state.join(name));
        let log = |program: &str| state.join(format!("logs/{program}-{name}.log"));
        let limiter = Some(Running::start(&mut command, &log("ratelimit")));

        let own = fs::read_to_string(state.join("keyhole/envoy/bootstrap.yaml")).unwrap();
        let mut bootstrap =
            with_limits(&own).replace("port_value: 8089", &format!("port_value: {grpc}"));
        let port = |variable: &str| stack.var(variable).rsplit(':').next().unwrap().to_owned();
        for (variable, port_here) in [
            ("KEYHOLE_URL", clients),
            ("KEYHOLE_MONITORING", monitoring),
            ("KEYHOLE_ADMIN", admin),
        ] {
            let old = format!("port_value: {}}}", port(variable));
            assert!(bootstrap.contains(&old), "{variable}: {old}");
            bootstrap = bootstrap.replace(&old, &format!("port_value: {port_here}}}"));
        }
        let file = state.join(name).join("bootstrap.yaml");
        fs::write(&file, bootstrap).unwrap();
        let mut command = Command::new(root().join(".tools/envoy/envoy/_bin/envoy"));
        command.arg("-c").arg(file).args(["--concurrency", "1", "--disable-hot-restart"]);
        command.args(["--component-log-level", "router:debug"]);
        let _envoy = Running::start(&mut command, &log("envoy"));
        let url = format!("https://localhost:{clients}");
        let client = Client::new(&url, Path::new(stack.var("KEYHOLE_CA"))).unwrap();
        Self { _envoy, limiter, client, admin: format!("http://127.0.0.1:{admin}") }
    }
}

fn until(client: &Client, code: u16) -> Response {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let response = client.get(PODS);
        match response {
            Ok(response) if response.status == code => return response,
            _ => assert!(Instant::now() < deadline, "{response:?}"),
        }
        sleep(Duration::from_millis(200));
    }
}

#[test]
fn two_gateways_share_one_limit() {
    let stack = Stack::own("ratelimit", &[]).unwrap();
    let (key, digest) = new_key("other");
    let other = format!(
        "- name: other\n  keys: [{{sha256: {digest}}}]\n  serviceAccount: {{namespace: default, name: api-reader}}\n  roles: [pod-operator]\nroles:\n- name"
    );
    stack.apply(&stack.policy().replace("roles:\n- name", &other)).unwrap();
    let [port] = free_ports();
    let mut counter = Some(redis(&stack, port));
    let mut gateways = ["a", "b"].map(|name| Gateway::start(&stack, name, port));
    let limited = gateways.each_ref().map(|own| own.client.with_key(stack.var("KEYHOLE_KEY")));
    let others = gateways.each_ref().map(|own| own.client.with_key(&key));
    for other in &others {
        until(other, 200);
    }

    // What a rule denies does not count, and ten requests do, wherever they come in.
    for number in 0..10 {
        let client = &limited[number % 2];
        assert_eq!(client.delete(&format!("{PODS}/none")).unwrap().status, 403);
        let response = client.get(PODS).unwrap();
        assert_eq!(response.status, 200, "{number}: {response:?}");
    }
    let told = |client: &Client, code: u16, reason: &str| {
        let response = client.get(PODS).unwrap();
        let found = (response.status, response.field("/kind"), response.field("/reason"));
        assert_eq!(found, (code, "Status".to_owned(), reason.to_owned()), "{response:?}");
        let _: Value = response.json().unwrap();
    };
    for client in &limited {
        told(client, 429, "TooManyRequests");
        // Nobody is somebody else by what he writes.
        told(&client.with("user-agent", "keyhole/other x"), 429, "TooManyRequests");
    }
    let agent = |event: &keyhole_tests::audit::Event| event.text("/userAgent").to_owned();
    let events = stack.audit().events().unwrap();
    let arrived =
        events.iter().filter(|event| agent(event).starts_with("keyhole/sql-prod-01 "));
    let lists = arrived.filter(|event| event.attributes().starts_with("list /pods/"));
    assert_eq!(lists.count(), 10);
    for other in &others {
        assert_eq!(other.get(PODS).unwrap().status, 200);
    }
    // Nor by what the gateway asks for in his place.
    let table = format!("{PODS}?view=table");
    let response = limited[0].get(&table).unwrap();
    assert_eq!(
        (response.status, response.field("/kind").as_str()),
        (429, "Status"),
        "{response:?}"
    );
    let response = others[0].get(&table).unwrap();
    assert_eq!(response.status, 200, "{response:?}");

    // Another limit is taken up without a restart, by each gateway.
    for (name, client) in ["a", "b"].into_iter().zip(&limited) {
        mount_limits(
            &stack,
            name,
            &LIMITS.replace("requests_per_unit: 10}", "requests_per_unit: 1000}"),
        );
        until(client, 200);
    }

    // Without Redis nobody may pass, nor without the service; soon after, all is well.
    counter.take();
    told(&others[0], 503, "ServiceUnavailable");
    counter.replace(redis(&stack, port));
    for other in &others {
        until(other, 200);
    }
    gateways[0].limiter.take();
    told(&others[0], 503, "ServiceUnavailable");
    until(&others[1], 200);
    let errors = Command::new("curl")
        .args([
            "-fsS",
            &format!("{}/stats/prometheus?filter=ratelimit.error", gateways[0].admin),
        ])
        .output()
        .unwrap();
    let errors = String::from_utf8(errors.stdout).unwrap();
    assert!(errors.contains("envoy_cluster_ratelimit_error{"), "{errors}");
    only_known_headers_went_up(&stack);
}

/// By Envoy's own account of what its routers send; what goes to the listener `again`
/// has more, of Envoy's own, which stays there.
fn only_known_headers_went_up(stack: &OwnStack) {
    let log = fs::read(stack.state().join("logs/envoy-a.log")).unwrap();
    let log = String::from_utf8(log).unwrap();
    let sent = header_lists(&log).filter(|headers| {
        headers.contains("'kubernetes.default.svc'") && !headers.contains("'x-envoy-internal'")
    });
    let names: BTreeSet<&str> = sent.flat_map(names).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), FORWARDED);
}
