//! The scenario that Keyhole is for, as SQL Server plays it: calls of the double of
//! `sp_invoke_external_rest_endpoint` through a running stack.

use std::path::Path;
use std::process::{Command, Output};

use keyhole_tests::sp_invoke::{Call, Credential, Instance, Options};
use keyhole_tests::stack::{Stack, new_key};

const PODS: &str = "/api/v1/namespaces/default/pods";
const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"from-sp-invoke"},"spec":{"containers":[{"name":"nginx","image":"nginx:latest"}]}}"#;

/// A SQL Server that trusts the gateway's CA and has this key for it.
fn instance(stack: &Stack, key: &str) -> Instance {
    let secret = format!(r#"{{"x-api-key":"{key}"}}"#);
    let credential = Credential::for_host(stack.var("KEYHOLE_URL"), &secret);
    let ca = Path::new(stack.var("KEYHOLE_CA"));
    Instance::start(ca, Options::default()).unwrap().with(credential)
}

fn sp_invoke(arguments: &[&str]) -> Output {
    // The real client has no such thing as a proxy of its environment.
    let mut command = Command::new(env!("CARGO_BIN_EXE_sp-invoke"));
    command.env("HTTPS_PROXY", "http://127.0.0.1:1").args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn sql_server_asks_for_the_version_lists_pods_and_creates_one() {
    let stack = Stack::shared();
    let instance = instance(stack, stack.var("KEYHOLE_KEY"));
    let base = stack.var("KEYHOLE_URL");
    let (version, pods) = (format!("{base}/version"), format!("{base}{PODS}"));
    let call = |url| Call { credential: Some(base), ..Call::to(url) };
    let get = |url| Call { method: "GET", ..call(url) };

    let answer = instance.invoke(&get(&version)).unwrap();
    assert_eq!(answer.return_value, 0, "{answer:?}");
    assert_eq!(answer.value("$.response.status.http.code").as_deref(), Some("200"));
    assert_eq!(answer.value("$.result.major").as_deref(), Some("1"));

    let answer = instance.invoke(&Call { payload: Some(POD), ..call(&pods) }).unwrap();
    assert_eq!(answer.return_value, 0, "{answer:?}");
    assert_eq!(answer.value("$.response.status.http.code").as_deref(), Some("201"));

    let answer = instance.invoke(&get(&pods)).unwrap();
    assert_eq!(answer.return_value, 0, "{answer:?}");
    let columns = ["$.metadata.name", "$.spec.containers[0].image"];
    let row = ["from-sp-invoke", "nginx:latest"].map(|text| Some(text.to_owned()));
    let rows = answer.rows("$.result.items", &columns);
    assert!(rows.contains(&row.to_vec()), "{rows:?}");

    // What the policy does not name, with its reason.
    let secrets = format!("{base}/api/v1/namespaces/default/secrets");
    let answer = instance.invoke(&get(&secrets)).unwrap();
    assert_eq!(answer.return_value, 403, "{answer:?}");
    assert_eq!(answer.value("$.result.kind").as_deref(), Some("Status"));
}

#[test]
fn connections_may_be_kept_and_alpn_absent() {
    let stack = Stack::shared();
    let url = format!("{}/version", stack.var("KEYHOLE_URL"));
    let headers = format!(r#"{{"x-api-key":"{}"}}"#, stack.var("KEYHOLE_KEY"));
    let ca = Path::new(stack.var("KEYHOLE_CA"));
    let call = Call { method: "GET", headers: Some(&headers), ..Call::to(&url) };
    for (keep_alive, alpn) in [(true, true), (false, false), (true, false)] {
        let options = Options { keep_alive, alpn, ..Options::default() };
        let instance = Instance::start(ca, options).unwrap();
        for _ in 0..3 {
            let answer = instance.invoke(&call).unwrap();
            assert_eq!(answer.return_value, 0, "{keep_alive} {alpn}: {answer:?}");
        }
    }
}

#[test]
fn a_wrong_key_is_a_401_with_a_status() {
    let stack = Stack::shared();
    let base = stack.var("KEYHOLE_URL");
    let instance = instance(stack, &new_key("sql-prod-01").0);
    let url = format!("{base}{PODS}");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let call = Call { method, credential: Some(base), ..Call::to(&url) };
        let answer = instance.invoke(&call).unwrap();
        assert_eq!(answer.return_value, 401, "{method} {answer:?}");
        assert_eq!(answer.value("$.result.kind").as_deref(), Some("Status"));
        assert_eq!(answer.value("$.result.code").as_deref(), Some("401"));
    }
}

#[test]
fn an_unknown_ca_is_msg_31608() {
    let stack = Stack::shared();
    // The cluster's CA, which has nothing to do with the gateway's certificate.
    let other = stack.state().join("pki/cluster-ca.crt");
    let url = format!("{}/version", stack.var("KEYHOLE_URL"));
    let instance = Instance::start(&other, Options::default()).unwrap();
    let error = instance.invoke(&Call::to(&url)).unwrap_err();
    assert_eq!((error.number(), error.hresult()), (31608, Some(0x8007_0008)), "{error}");
}

#[test]
fn the_command_prints_what_sql_server_would() {
    let stack = Stack::shared();
    let (ca, key) = (stack.var("KEYHOLE_CA"), stack.var("KEYHOLE_KEY"));
    let url = format!("{}/version", stack.var("KEYHOLE_URL"));
    let call = ["--url", url.as_str(), "--method", "GET", "--ca", ca];

    let output = sp_invoke(&[&call[..], &["--key", key]].concat());
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.starts_with(br#"{"response":{"status":{"http":{"code":200,"#));
    assert!(output.stdout.ends_with(b"}}\n"), "{output:?}");
    assert_eq!(stderr(&output), "return value 0\n");

    let wrong =
        format!(r#"{}={{"x-api-key":"wrong","User-Agent":"x"}}"#, stack.var("KEYHOLE_URL"));
    let output = sp_invoke(&[&call[..], &["--credential", &wrong]].concat());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        stderr(&output),
        "Warning: header 'User-Agent' was overwritten by a system-defined value.\nreturn value 401\n"
    );

    let elsewhere = format!(r#"{}/api={{"x-api-key":"{key}"}}"#, stack.var("KEYHOLE_URL"));
    let output = sp_invoke(&[&call[..], &["--credential", &elsewhere]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty());
    assert!(stderr(&output).starts_with("Msg 31630, Level 16, State 1\nThe database scoped "));
    assert!(!stderr(&output).contains(key));
}
