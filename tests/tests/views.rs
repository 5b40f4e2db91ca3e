//! Other forms of what is read, from a real apiserver.

use std::fs;
use std::time::{Duration, Instant};

use keyhole_tests::client::{Client, Response};
use keyhole_tests::stack::{Stack, new_key};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn read(client: &Client, view: &str, path: &str) -> (u16, Value) {
    let response: Response = client.with("x-keyhole-view", view).get(path).unwrap();
    assert_eq!(response.header("content-type"), Some("application/json"));
    (response.status, serde_json::from_slice(&response.body).unwrap())
}

#[test]
fn lists_are_read_as_flat_rows_and_without_noise() {
    let stack = Stack::own("views", &["--workers", "2"]).unwrap();
    stack.make_account_admin().unwrap();
    let (key, digest) = new_key("sql");
    stack
        .apply(&format!(
            "apiVersion: keyhole/v1\nkind: Policy\nclients:\n- name: sql\n  keys: [{{sha256: {digest}}}]\n  \
             serviceAccount: {{namespace: default, name: api-reader}}\n  roles: [r]\nroles:\n- name: r\n  rules:\n  \
             - {{namespaces: [default], apiGroups: [\"\"], resources: [pods, configmaps], verbs: [get, list, create]}}\n"
        ))
        .unwrap();
    let client = stack.anonymous().with_key(&key);
    for n in 0..3 {
        let pod = json!({
            "metadata": {"name": format!("web-{n}")},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        });
        assert_eq!(client.post(PODS, &pod.to_string()).unwrap().status, 201);
    }

    // The first of its kind waits for nothing: a token is at hand.
    let (status, table) = read(&client, "table", PODS);
    assert_eq!((status, &table["kind"]), (200, &json!("TableView")), "{table}");
    let row = &table["rows"][0];
    assert_eq!(
        [&row["namespace"], &row["name"], &row["ready"], &row["status"], &row["restarts"]],
        [&json!("default"), &json!("web-0"), &json!("0/1"), &json!("Pending"), &json!("0")]
    );
    assert!(row["uid"].is_string() && row["creationTimestamp"].is_string(), "{row}");
    assert!(!table.to_string().contains("managedFields"));

    // By the query, one object, and page by page.
    let one = client.get(&format!("{PODS}/web-1?view=table")).unwrap();
    assert_eq!(one.field("/rows/0/name"), "web-1");
    let (_, page) = read(&client, "table", &format!("{PODS}?limit=2"));
    assert_eq!(page["rows"].as_array().unwrap().len(), 2);
    let rest =
        format!("{PODS}?limit=2&continue={}", page["metadata"]["continue"].as_str().unwrap());
    let (_, rest) = read(&client, "table", &rest);
    assert_eq!(rest["rows"][0]["name"], "web-2");

    // A list is compact unless told otherwise; one object, which may be written back, is not.
    let (_, compact) = read(&client, "compact", PODS);
    let (_, full) = read(&client, "full", PODS);
    assert_eq!(client.get(PODS).unwrap().json().unwrap(), compact);
    let mut less = full.clone();
    for item in less["items"].as_array_mut().unwrap() {
        let metadata = item["metadata"].as_object_mut().unwrap();
        assert!(metadata.remove("managedFields").is_some_and(|own| own.is_array()));
    }
    assert_eq!(compact, less);
    let one = client.get(&format!("{PODS}/web-1")).unwrap().json().unwrap();
    assert_eq!(one["metadata"], full["items"][1]["metadata"]);
    let (_, one) = read(&client, "compact", &format!("{PODS}/web-1"));
    assert_eq!(one["metadata"], less["items"][1]["metadata"]);

    // Who says that he asks is in the log, and goes no further.
    let ada = client.with("x-sql-login", "ada").get(PODS).unwrap();
    let id = ada.header("x-request-id").unwrap().to_owned();
    let start = Instant::now();
    let line = loop {
        let log = fs::read_to_string(stack.var("KEYHOLE_ACCESS_LOG")).unwrap();
        if let Some(line) = log.lines().find(|line| line.contains(&id)) {
            break serde_json::from_str::<Value>(line).unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(10), "it is not logged");
    };
    assert_eq!(line["claims"], r#"{"login":"ada"}"#);
    // So is what the gateway has sent itself.
    let log = fs::read_to_string(stack.var("KEYHOLE_ACCESS_LOG")).unwrap();
    let record = r#"{\"decision\":\"allowed\",\"method\":\"GET\",\"path\":\"/api/v1/namespaces/default/pods/web-1?view=table\""#;
    assert!(log.contains(record), "{log}");

    // Errors are what they were.
    let (status, missing) = read(&client, "table", &format!("{PODS}/none"));
    assert_eq!((status, &missing["reason"]), (404, &json!("NotFound")));
    let (status, denied) = read(&client, "table", "/api/v1/namespaces/default/secrets");
    assert_eq!((status, &denied["reason"]), (403, &json!("Forbidden")));
    let (status, unknown) = read(&client, "wide", PODS);
    assert_eq!(status, 400);
    assert!(unknown["message"].as_str().unwrap().contains("`table`, `compact`, `full`"));

    // More than the gateway holds in memory: rows come with their objects' metadata.
    let note = "x".repeat(250_000);
    for n in 0..20 {
        let metadata = json!({"name": format!("big-{n}"), "annotations": {"note": note}});
        let big = json!({"metadata": metadata}).to_string();
        assert_eq!(client.post(CONFIG_MAPS, &big).unwrap().status, 201);
    }
    let (status, rows) = read(&client, "table", &format!("{CONFIG_MAPS}?limit=3"));
    assert_eq!(status, 200);
    assert_eq!(rows["rows"].as_array().unwrap().len(), 3);
    let (status, large) = read(&client, "table", CONFIG_MAPS);
    assert_eq!(
        (status, &large["reason"]),
        (413, &json!("RequestEntityTooLarge")),
        "{large:.300}"
    );
    assert!(large["message"].as_str().unwrap().contains("with `limit`"));
    // The other views pass by.
    let (_, full) = read(&client, "full", CONFIG_MAPS);
    let (_, compact) = read(&client, "compact", CONFIG_MAPS);
    let note_of = |list: &Value| list["items"][19]["metadata"]["annotations"].clone();
    assert!(note_of(&compact)["note"].is_string());
    assert_eq!(note_of(&compact), note_of(&full));
}
