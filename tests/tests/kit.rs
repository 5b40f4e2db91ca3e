//! The requests that the T-SQL kit makes (`tests/sql/calls.toml`, held against the
//! scripts by the tests there), sent through a running stack as SQL Server sends them.

use std::fs;
use std::path::Path;

use keyhole_tests::sp_invoke::{Call, Credential, Instance, Options};
use keyhole_tests::stack::{Stack, new_key, root};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Debug, Deserialize)]
struct File {
    call: Vec<Request>,
}

#[derive(Debug, Deserialize)]
struct Request {
    procedure: String,
    method: String,
    path: String,
    headers: Map<String, Value>,
    payload: Option<Value>,
    retry_count: i64,
    #[serde(default)]
    parameters: Map<String, Value>,
}

// === impl Request ===

impl Request {
    /// With the parameters in place of their names.
    fn fill(&self, text: &str) -> Value {
        if let Some(whole) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'))
            && let Some(value) = self.parameters.get(whole)
        {
            return value.clone();
        }
        let mut filled = text.to_owned();
        for (name, value) in &self.parameters {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            filled = filled.replace(&format!("{{{name}}}"), &value);
        }
        filled.into()
    }

    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.fill(text),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), self.filled(value))).collect()
            }
            other => other.clone(),
        }
    }
}

#[test]
fn each_request_of_the_kit_gets_one_document() {
    let stack = Stack::own("kit", &[]).unwrap();
    stack.make_account_admin().unwrap();
    stack.kubectl(&["create", "namespace", "shop"]).unwrap();
    stack.kubectl(&["create", "deployment", "web", "-n", "shop", "--image=i"]).unwrap();
    stack.kubectl(&["create", "job", "report", "-n", "shop", "--image=i"]).unwrap();
    let schedule = "--schedule=0 2 * * *";
    stack
        .kubectl(&["create", "cronjob", "nightly-report", "-n", "shop", "--image=i", schedule])
        .unwrap();
    let time = "2026-11-01T02:00:42Z";
    let done = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": time});
    let status = json!({"status": {
        "startTime": time, "completionTime": time,
        "conditions": [done("SuccessCriteriaMet"), done("Complete")],
    }});
    let patch =
        ["patch", "job", "report", "-n", "shop", "--subresource=status", "--type=merge"];
    stack.kubectl(&[&patch[..], &["-p", &status.to_string()]].concat()).unwrap();

    let (key, digest) = new_key("sql");
    stack
        .apply(&format!(
            "apiVersion: keyhole/v1\nkind: Policy\nclients:\n- name: sql\n  keys: [{{sha256: {digest}}}]\n  \
             serviceAccount: {{namespace: default, name: api-reader}}\n  roles: [r]\nroles:\n- name: r\n  rules:\n  \
             - {{namespaces: [shop], apiGroups: [\"\", apps, batch], resources: [\"*\", pods/log, deployments/scale], verbs: [\"*\", watch]}}\n  \
             - {{clusterScope: true, apiGroups: [\"\"], resources: [nodes], verbs: [list]}}\n  \
             - {{nonResourceURLs: [/version], verbs: [get]}}\n"
        ))
        .unwrap();
    let base = stack.var("KEYHOLE_URL");
    let credential = Credential::for_host(base, &format!(r#"{{"x-api-key":"{key}"}}"#));
    let ca = Path::new(stack.var("KEYHOLE_CA"));
    let instance = Instance::start(ca, Options::default()).unwrap().with(credential);

    let text = fs::read_to_string(root().join("tests/sql/calls.toml")).unwrap();
    let File { call: requests } = toml::from_str(&text).unwrap();
    assert!(requests.len() > 15);
    for request in &requests {
        let url = format!("{base}{}", request.fill(&request.path).as_str().unwrap());
        let headers = request.filled(&Value::Object(request.headers.clone()));
        let headers: Map<String, Value> = headers
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                (name.clone(), text.into())
            })
            .collect();
        let headers = Value::Object(headers).to_string();
        // As SQL Server writes JSON.
        let payload = request.payload.as_ref();
        let payload = payload.map(|own| request.filled(own).to_string().replace('/', "\\/"));
        let answer = instance
            .invoke(&Call {
                credential: Some(base),
                method: &request.method,
                headers: Some(&headers).filter(|headers| *headers != "{}").map(String::as_str),
                payload: payload.as_deref(),
                retry_count: request.retry_count,
                ..Call::to(&url)
            })
            .unwrap_or_else(|error| panic!("{}: {error}", request.procedure));
        // There is no node that could have a log: the apiserver says so.
        let expected = if request.procedure == "k8s.logs" { 404 } else { 0 };
        assert_eq!(answer.return_value, expected, "{}: {answer:?}", request.procedure);
        assert!(answer.value("$.result.kind").is_some() || url.ends_with("/version"));
        if request.procedure == "k8s.wait" {
            assert_eq!(answer.value("$.result.outcome").as_deref(), Some("met"));
        }
    }
}
