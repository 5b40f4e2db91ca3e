//! The promises of the design, one test each, against the real Envoy and the real
//! kube-apiserver. What arrived, and as whom, is read from the audit log.

use keyhole_tests::audit::Event;
use keyhole_tests::client::{Client, Response};
use keyhole_tests::router_log::{FORWARDED, header_lists, names};
use keyhole_tests::stack::{Stack, new_key};
use serde_json::Value;

const PODS: &str = "/api/v1/namespaces/default/pods";
const ACCOUNT: &str = "system:serviceaccount:default:api-reader";

/// The response is one JSON document, a `Status` with this code.
fn assert_refused(response: &Response, code: u16, request: &str) {
    assert_eq!(response.status, code, "{request}: {response:?}");
    assert_eq!(response.field("/kind"), "Status", "{request}: {response:?}");
    assert_eq!(response.field("/code"), code.to_string(), "{request}: {response:?}");
    assert!(response.field("/message").contains(": keyhole: "), "{request}: {response:?}");
}

fn raw(client: &Client, head: &str) -> Response {
    let head = head.replace('\n', "\r\n");
    client.raw(format!("{head}\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).unwrap()
}

fn pod(name: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}"}},"spec":{{"containers":[{{"name":"c","image":"i"}}]}}}}"#
    )
}

#[test]
#[rustfmt::skip]
fn promise_1_what_is_not_allowed_is_denied() {
    let stack = Stack::shared();
    let (anonymous, client) = (stack.anonymous(), stack.client());
    let unknown = anonymous.with_key(&new_key("sql-prod-01").0);
    for (client, method, path, code) in [
        (&anonymous, "GET",    "/version",                                      401),
        (&unknown,   "GET",    "/version",                                      401),
        (&anonymous, "GET",    "/healthz",                                      401),
        (&client,    "GET",    "/healthz",                                      403),
        (&client,    "POST",   "/version",                                      403),
        (&client,    "GET",    "/api/v1/pods",                                  403),
        (&client,    "GET",    "/api/v1/namespaces/kube-system/pods",           403),
        (&client,    "GET",    "/api/v1/namespaces/default",                    403),
        (&client,    "GET",    "/api/v1/namespaces/default/secrets",            403),
        (&client,    "GET",    "/apis/apps/v1/namespaces/default/deployments",  403),
        (&client,    "GET",    "/apis/apps/v1/namespaces/default/pods",         403),
        (&client,    "GET",    "/api/v1/namespaces/default/pods?watch=true",    403),
        (&client,    "GET",    "/api/v1/namespaces/default/pods/web-0/log",     403),
        (&client,    "GET",    "/api/v1/namespaces/default/pods/web-0/exec?command=id&stdout=true", 403),
        (&client,    "GET",    "/api/v1/namespaces/default/pods/web-0/proxy/admin", 403),
        (&client,    "PUT",    "/api/v1/namespaces/default/pods/web-0",         403),
        (&client,    "DELETE", "/api/v1/namespaces/default/pods/web-0",         403),
        (&client,    "DELETE", "/api/v1/namespaces/default/pods",               403),
    ] {
        let response = client.send(method, path, "").unwrap();
        assert_refused(&response, code, &format!("{method} {path}"));
        let id = response.header("x-request-id").unwrap();
        assert!(stack.audit().find(id).unwrap().is_none(), "{method} {path} was forwarded");
    }
}

#[test]
#[rustfmt::skip]
fn promise_2_what_is_forwarded_is_what_was_judged() {
    let stack = Stack::shared();
    let client = stack.client();
    for (sent, arrived) in [
        ("/version",                                 "/version"),
        ("/version?",                                "/version"),
        ("/version?timeout=32s",                     "/version?timeout=32s"),
        // a list has a bound
        (PODS,                                       "/api/v1/namespaces/default/pods?limit=500"),
        ("/api/v1/namespaces/default/pods?watch=0",  "/api/v1/namespaces/default/pods?limit=500"),
        ("/api/v1/namespaces/default/pods?l%69mit=5&labelSelector=a%3db%2Cc+in+(d)",
         "/api/v1/namespaces/default/pods?limit=5&labelSelector=a%3Db%2Cc%20in%20%28d%29"),
    ] {
        let response = client.get(sent).unwrap();
        assert_eq!(response.status, 200, "{sent}: {response:?}");
        let event = stack.audit().find(response.header("x-request-id").unwrap()).unwrap().unwrap();
        assert_eq!(event.text("/requestURI"), arrived, "{sent}");
        assert_eq!(event.text("/userAgent"), "keyhole/sql-prod-01 SQL Server double/17.0.1000.7");
    }
}

#[test]
#[rustfmt::skip]
fn promise_3_what_arrives_lies_inside_the_clients_rules() {
    let stack = Stack::shared();
    let client = stack.client();
    // Each of these reads differently in some proxy or parser.
    for target in [
        "/api/v1/namespaces/default/pods/web-0%2Fexec?command=id",
        "/api/v1/namespaces/default%2Fsecrets",
        "/api/v1/namespaces/default/p%6Fds/web-0/%65xec",
        "/api/v1/namespaces/default/pods/web-0%252Fexec",
        "/api/v1/namespaces//pods",
        "/api/v1/namespaces/default//pods",
        "//api/v1/namespaces/default/pods",
        "/api/v1/namespaces/default/pods/../secrets",
        "/api/v1/namespaces/../pods",
        "/api/v1/namespaces/default/pods/..;/secrets",
        "/api/v1/namespaces/default;x/pods",
        "/api/v1/namespaces/default/pods\\..\\secrets",
        "/api/v1/namespaces/default/pods#/../secrets",
        "/api/v1/namespaces/default/pods/",
        "/api/v1/watch/namespaces/default/pods",
        "/api/v1/proxy/namespaces/default/pods/web-0",
        "/api/v1/namespaces/default/pods?watch",
        "/api/v1/namespaces/default/pods?watch=0&watch=1",
        "/api/v1/namespaces/default/pods?watch=0;&watch=1",
        "/api/v1/namespaces/default/pods?watch=0%&watch=1",
        "/api/v1/namespaces/default/pods?%77atch=1",
        "/api/v1/namespaces/default/pods?access_token=x",
        "/healthz/../api/v1/namespaces/kube-system/secrets",
        "https://x/api/v1/namespaces/kube-system/secrets",
        "/API/v1/namespaces/default/secrets",
    ] {
        let key = stack.var("KEYHOLE_KEY");
        let response = raw(&stack.anonymous(), &format!("GET {target} HTTP/1.1\nx-api-key: {key}"));
        assert!(matches!(response.status, 400 | 403), "{target}: {response:?}");
    }
    // HEAD is a get to the apiserver, and others have the empty verb.
    for method in ["HEAD", "OPTIONS", "TRACE", "PURGE", "get"] {
        let response = client.send(method, PODS, "").unwrap();
        assert!(matches!(response.status, 400 | 405), "{method}: {response:?}");
    }
    client.post(PODS, &pod("promise-3")).unwrap();
    client.get(&format!("{PODS}/promise-3")).unwrap();

    let events = stack.audit().events().unwrap();
    let events: Vec<_> = events.iter().filter(|event| event.user() == ACCOUNT).collect();
    assert!(!events.is_empty());
    for event in events {
        let attributes = event.attributes();
        let allowed = attributes.starts_with("list /pods/ default/")
            || attributes.starts_with("get /pods/ default/")
            || attributes.starts_with("create /pods/ default/")
            || attributes.starts_with("get /version");
        assert!(allowed, "{attributes}");
    }
}

#[test]
fn promise_4_no_identity_but_the_accounts_reaches_the_apiserver() {
    let stack = Stack::own("promise-4", &[]).unwrap();
    // Envoy's own account of what its router sends upstream.
    stack.admin("POST", "/logging?router=debug").unwrap();
    let client = stack
        .client()
        .with("impersonate-user", "admin")
        .with("impersonate-group", "system:masters")
        .with("impersonate-uid", "1")
        .with("impersonate-extra-scopes", "all")
        .with("x-remote-user", "admin")
        .with("x-remote-group", "system:masters")
        .with("x-remote-extra-x", "y")
        .with("x-forwarded-for", "6.6.6.6")
        .with("x-forwarded-client-cert", "By=x")
        .with("x-original-url", "/api/v1/secrets")
        .with("cookie", "a=b")
        .with("proxy-authorization", "Basic x")
        .with("audit-id", "chosen-by-the-client");
    let response = client.get(PODS).unwrap();
    assert_eq!(response.status, 200, "{response:?}");

    let event = stack.audit().find(response.header("x-request-id").unwrap()).unwrap().unwrap();
    assert_eq!(event.user(), ACCOUNT);
    assert_eq!(event.text("/impersonatedUser"), "");

    let log =
        String::from_utf8(std::fs::read(stack.var("KEYHOLE_ENVOY_LOG")).unwrap()).unwrap();
    assert_eq!(names(header_lists(&log).last().unwrap()), FORWARDED);
    // The gateway's own identity asks who it is, for keys and for tokens, and for
    // nothing else.
    let mut asked: Vec<String> = stack
        .audit()
        .events()
        .unwrap()
        .iter()
        .filter(|event| event.user() == "system:serviceaccount:keyhole:keyhole")
        .map(Event::attributes)
        .collect();
    asked.sort_unstable();
    assert_eq!(
        asked,
        [
            "create /serviceaccounts/token default/api-reader",
            "create authentication.k8s.io/selfsubjectreviews/ /",
            "get /.well-known/openid-configuration",
            "get /openid/v1/jwks",
        ]
    );
}

#[test]
fn promise_5_no_key_and_no_token_is_written_anywhere() {
    let stack = Stack::own("promise-5", &[]).unwrap();
    let (client, key) = (stack.client(), stack.var("KEYHOLE_KEY"));
    let secret = key.rsplit('_').next().unwrap();
    let replies = [
        client.get("/version").unwrap(),
        client.get(PODS).unwrap(),
        client.get("/api/v1/secrets").unwrap(),
        client.get("/api/v1//secrets").unwrap(),
        client.post(PODS, "no json").unwrap(),
        client.with("x-api-key", key).get("/version").unwrap(),
        client.with("authorization", &format!("Bearer {key}")).get("/version").unwrap(),
        stack
            .anonymous()
            .with("authorization", &format!("Bearer {key}"))
            .get("/version")
            .unwrap(),
        stack
            .anonymous()
            .with("authorization", &format!("Basic {key}"))
            .get("/version")
            .unwrap(),
        stack.anonymous().with_key(&format!("{key}0")).get("/version").unwrap(),
        client.get(&format!("/version?x-api-key={key}")).unwrap(),
        client.get(&format!("/version?{key}=1")).unwrap(),
        client.get(&format!("/version?k%65yhole{}=1", &key[7..])).unwrap(),
        client.get(&format!("/version?{key}=1&{key}=2")).unwrap(),
        client.get(&format!("/{key}")).unwrap(),
        stack.anonymous().get(&format!("/{key}?{key}")).unwrap(),
        client.with("audit-id", "x").get(&format!("/{key}")).unwrap(),
        client.get(&format!("/{key}%2f")).unwrap(),
        client.with("user-agent", key).get("/none").unwrap(),
        client.send(key, "/version", "").unwrap(),
    ];
    let mut written: Vec<(String, Vec<u8>)> = Vec::new();
    for reply in replies {
        let headers = format!("{:?}", reply.headers);
        written.push((
            format!("reply {}", reply.status),
            [headers.as_bytes(), &reply.body].concat(),
        ));
    }
    for path in ["/config_dump?include_eds", "/stats", "/clusters", "/certs", "/listeners"] {
        written.push((path.to_owned(), stack.admin("GET", path).unwrap().into_bytes()));
    }
    // Envoy writes its access log twice a second.
    std::thread::sleep(std::time::Duration::from_millis(800));
    for (path, content) in stack.logs().unwrap() {
        written.push((path.display().to_string(), content));
    }
    assert!(
        written.iter().any(|(place, text)| place.ends_with("access.log") && text.len() > 1000)
    );
    for (place, content) in written {
        let text = String::from_utf8_lossy(&content);
        assert!(!text.contains(secret), "{place} contains the key: {text}");
        // Every JWT starts like this.
        assert!(!text.contains("eyJ"), "{place} contains a token: {text}");
    }
}

#[test]
fn promise_6_a_bad_policy_never_replaces_a_good_one() {
    let stack = Stack::own("promise-6", &[]).unwrap();
    let client = stack.client();
    let good = stack.policy();
    let delete = format!("{PODS}/none");

    for bad in [
        "",
        "clients: []",
        "{",
        &good.replace("verbs: [get, list, create]", "verbs: [gett]"),
        &good.replace("roles: [pod-operator]", "roles: [pod-operator]\n  colour: red"),
        &good.replace("clients:", "clients: []\nclients:"),
    ] {
        let said = stack.apply(bad).unwrap_err();
        assert!(said.contains("policy refused: "), "{bad}: {said}");
        assert_eq!(client.get(PODS).unwrap().status, 200);
        assert_refused(&client.delete(&delete).unwrap(), 403, "delete");
    }

    let wider =
        good.replace("verbs: [get, list, create]", "verbs: [get, list, create, delete]");
    stack.apply(&wider).unwrap();
    assert_eq!(client.delete(&delete).unwrap().status, 404);

    stack.apply("apiVersion: keyhole/v1\nkind: Policy\nclients: []").unwrap();
    assert_refused(&client.get("/version").unwrap(), 401, "an empty policy");

    stack.apply(&good).unwrap();
    assert_refused(&client.delete(&delete).unwrap(), 403, "delete");
    // A token survives a change of policy: one was asked for, once.
    assert_eq!(stack.audit().token_requests().unwrap().len(), 1);
}

#[test]
fn promise_6_without_a_policy_everything_is_denied() {
    let stack = Stack::own("promise-6-none", &[]).unwrap();
    stack.apply("not a policy").unwrap_err();
    // A gateway that starts anew finds a bad policy only.
    let _envoy = stack.restart_envoy().unwrap();
    let before = stack.audit().events().unwrap().len();
    for path in ["/version", PODS, "/healthz"] {
        assert_refused(&stack.client().get(path).unwrap(), 403, path);
    }
    let events = stack.audit().events().unwrap();
    assert!(events.iter().skip(before).all(|event| !event.user().contains("serviceaccount")));
}

#[test]
fn promise_7_losing_the_token_endpoint_costs_nothing_until_expiry() {
    let stack = Stack::own("promise-7", &["--workers", "2"]).unwrap();
    let client = stack.client();
    // Warm both workers.
    for _ in 0..20 {
        assert_eq!(client.get("/version").unwrap().status, 200);
    }
    // A second account, which has no token yet.
    let (key, digest) = new_key("late");
    let late = format!(
        "- name: late\n  keys: [{{sha256: {digest}}}]\n  serviceAccount: {{namespace: default, name: late}}\n  roles: [pod-operator]\nroles:\n"
    );
    stack.apply(&stack.policy().replace("roles:\n- name", &format!("{late}- name"))).unwrap();
    let late = stack.anonymous().with_key(&key);

    let missing = late.get("/version").unwrap();
    assert_refused(&missing, 503, "no such account");
    assert!(missing.header("retry-after").is_some());
    assert!(missing.field("/message").contains("default/late"), "{missing:?}");
    assert!(missing.field("/message").contains("create the ServiceAccount"), "{missing:?}");

    stack.kubectl(&["delete", "rolebinding", "keyhole-tokens", "-n", "default"]).unwrap();
    for _ in 0..20 {
        assert_eq!(client.get("/version").unwrap().status, 200);
    }
    // Every request came with a token of its own account that was valid then.
    for event in stack.audit().events().unwrap() {
        if event.text("/userAgent").starts_with("keyhole/sql-prod-01 ") {
            assert_eq!(event.user(), ACCOUNT);
        }
        assert!(!event.text("/userAgent").starts_with("keyhole/late "), "{event:?}");
    }
}

#[test]
fn promise_7_many_first_requests_ask_for_one_token() {
    let stack = Stack::own("promise-7-many", &[]).unwrap();
    let client = &stack.callers(&["many".to_owned()]).unwrap()[0].client;
    std::thread::scope(|scope| {
        let requests: Vec<_> =
            (0..50).map(|_| scope.spawn(|| client.get("/version"))).collect();
        for request in requests {
            assert_eq!(request.join().unwrap().unwrap().status, 200);
        }
    });
    let requests = stack.audit().token_requests().unwrap();
    let asked = requests.iter().filter(|event| event.text("/objectRef/name") == "many").count();
    assert_eq!(asked, 1);
}

#[test]
#[rustfmt::skip]
fn promise_8_every_reply_is_one_json_document() {
    let stack = Stack::own("promise-8", &[]).unwrap();
    let key = stack.var("KEYHOLE_KEY").to_owned();
    let (anonymous, client) = (stack.anonymous(), stack.client());
    let large = "x".repeat(4 << 20);
    let long = "x".repeat(20_000);

    for (what, response, code) in [
        // from the filter
        ("two keys",       raw(&anonymous, &format!("GET /version HTTP/1.1\nx-api-key: {key}\nx-api-key: {key}")), 400),
        ("an odd type",    client.with("content-type", "text/plain").post(PODS, "x").unwrap(), 415),
        ("no patch type",  client.send("PATCH", PODS, "{}").unwrap(),                          403),
        ("gzip",           client.with("content-encoding", "gzip").post(PODS, "x").unwrap(),   415),
        ("no target",      client.send("PUT ", "x", "").unwrap(),                              400),
        ("a method",       client.send("OPTIONS", "/version", "").unwrap(),                    405),
        ("a query",        client.get("/version?a=b").unwrap(),                                400),
        ("bytes",          anonymous.raw(&[b"GET /version HTTP/1.1\r\nhost: x\r\nx-api-key: \xff\xfe\r\nconnection: close\r\n\r\n"[..].to_vec()].concat()).unwrap(), 401),
        // from Envoy
        ("escaped slash",  client.get("/api/v1/namespaces/default%2fpods").unwrap(),           400),
        ("underscore",     client.with("x_api_key", "x").get("/version").unwrap(),             400),
        ("fragment",       client.get("/version#x").unwrap(),                                  400),
        ("no HTTP",        anonymous.raw(b"nonsense\r\n\r\n").unwrap(),                        400),
        ("long headers",   client.with("x-long", &long).get("/version").unwrap(),              431),
        ("a large body",   client.post(PODS, &large).unwrap(),                                 413),
        ("an upgrade",     client.with("upgrade", "websocket").with("connection", "upgrade, close").get("/version").unwrap(), 403),
    ] {
        assert_refused(&response, code, what);
    }

    // From the apiserver, as it is.
    for (what, response, code) in [
        ("no such pod",    client.get(&format!("{PODS}/none")).unwrap(),                       404),
        ("no JSON",        client.post(PODS, "no JSON").unwrap(),                              400),
        ("another kind",   client.post(PODS, r#"{"apiVersion":"v1","kind":"Secret"}"#).unwrap(), 400),
        ("a bad selector", client.get(&format!("{PODS}?labelSelector=%3D")).unwrap(),          400),
    ] {
        assert_eq!((response.status, response.field("/kind").as_str()), (code, "Status"), "{what}: {response:?}");
    }

    stack.kill("kube-apiserver").unwrap();
    let response = client.get("/version").unwrap();
    assert_refused(&response, 503, "no apiserver");
    assert!(response.header("retry-after").is_some());
    let body: Value = response.json().unwrap();
    assert_eq!(body["details"]["retryAfterSeconds"], 2);
}
