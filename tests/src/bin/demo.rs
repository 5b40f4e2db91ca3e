//! The story that `scripts/demo` tells: SQL Server's requests, one after another,
//! through a running stack. Ends with an error at the first step that is not as told.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use keyhole_tests::audit::Event;
use keyhole_tests::sp_invoke::{Answer, Call, Credential, Instance, Options};
use keyhole_tests::stack::{Stack, root};
use serde_json::Value;

const PODS: &str = "/api/v1/namespaces/default/pods";
const POD: &str = "/api/v1/namespaces/default/pods/nginx-from-sql";
const MANIFEST: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"nginx-from-sql","labels":{"app":"nginx"}},"spec":{"containers":[{"name":"nginx","image":"nginx:latest","ports":[{"containerPort":80}]}]}}"#;
const ACCOUNT: &str = "system:serviceaccount:default:api-reader";

/// One call of `sp_invoke_external_rest_endpoint`, and what is to come of it.
struct Step {
    title: &'static str,
    method: &'static str,
    path: &'static str,
    payload: &'static str,
    credential: bool,
    expected: Expected,
}

enum Expected {
    /// The apiserver answers with this status, to the client's account.
    Answered(u16),
    /// The gateway refuses with this status; nothing reaches the apiserver.
    Refused(u16),
}

struct Narrator<'s> {
    stack: &'s Stack,
    /// A double of SQL Server's client.
    sql_server: Instance,
    steps: usize,
    colour: bool,
}

#[rustfmt::skip]
const BEFORE: &[Step] = &[
    Step { title: "Without a key, nobody gets in", method: "GET", path: "/version", payload: "", credential: false, expected: Expected::Refused(401) },
    Step { title: "With its key, SQL Server asks for the cluster's version", method: "GET", path: "/version", payload: "", credential: true, expected: Expected::Answered(200) },
    Step { title: "It lists the pods", method: "GET", path: PODS, payload: "", credential: true, expected: Expected::Answered(200) },
    Step { title: "It creates a pod", method: "POST", path: PODS, payload: MANIFEST, credential: true, expected: Expected::Answered(201) },
    Step { title: "It looks at the pod", method: "GET", path: POD, payload: "", credential: true, expected: Expected::Answered(200) },
    Step { title: "It may not read secrets: the policy does not name them", method: "GET", path: "/api/v1/namespaces/default/secrets", payload: "", credential: true, expected: Expected::Refused(403) },
    DELETE_REFUSED,
];
#[rustfmt::skip]
const DELETE_REFUSED: Step = Step { title: "It may not delete the pod, though its ServiceAccount could", method: "DELETE", path: POD, payload: "", credential: true, expected: Expected::Refused(403) };
#[rustfmt::skip]
const DELETE_ALLOWED: Step = Step { title: "Now the same delete works", method: "DELETE", path: POD, payload: "", credential: true, expected: Expected::Answered(200) };

fn main() -> Result<()> {
    let state =
        std::env::args_os().nth(1).map_or_else(|| root().join("target/up"), PathBuf::from);
    let stack = Stack::running(&state)?;
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let secret = format!(r#"{{"x-api-key":"{}"}}"#, stack.var("KEYHOLE_KEY"));
    let credential = Credential::for_host(stack.var("KEYHOLE_URL"), &secret);
    let ca = Path::new(stack.var("KEYHOLE_CA"));
    let sql_server = Instance::start(ca, Options::default())?.with(credential);
    let mut narrator = Narrator { stack: &stack, sql_server, steps: 0, colour };
    for step in BEFORE {
        narrator.tell(step)?;
    }
    narrator.change_policy()?;
    narrator.tell(&DELETE_ALLOWED)?;
    println!("\nThe demo went as told: {} steps.", narrator.steps);
    Ok(())
}

// === impl Narrator ===

impl Narrator<'_> {
    fn tell(&mut self, step: &Step) -> Result<()> {
        self.title(step.title);
        println!("{}", step.tsql());
        let answer = step.call(&self.sql_server, self.stack.var("KEYHOLE_URL"))?;
        let id = answer.value("$.response.headers.\"x-request-id\"");
        let event = self.stack.audit().find(&id.context("a reply without a request id")?)?;
        self.show("@response", &summary(&answer)?);
        match &event {
            Some(event) => self.show("audit log", &self.witness(event)?),
            None => self.show("audit log", "nothing: the request did not reach the apiserver"),
        }
        step.check(&answer, event.as_ref()).with_context(|| format!("`{}`", step.title))
    }

    fn change_policy(&mut self) -> Result<()> {
        self.title("The platform team allows `delete`: the policy's ConfigMap changes");
        let old = self.stack.policy();
        let new =
            old.replace("verbs: [get, list, create]", "verbs: [get, list, create, delete]");
        ensure!(old != new, "the demo's policy is not as expected");
        println!("- {}\n+ {}", rule(&old)?, rule(&new)?);
        let uptime = self.uptime()?;
        self.stack.apply(&new).map_err(anyhow::Error::msg)?;
        ensure!(self.uptime()? >= uptime, "Envoy was restarted");
        self.show("gateway", "took the policy; nothing was restarted");
        Ok(())
    }

    /// For how many seconds this Envoy has been running.
    fn uptime(&self) -> Result<u64> {
        let info: Value = serde_json::from_str(&self.stack.admin("GET", "/server_info")?)?;
        let uptime = info["uptime_current_epoch"].as_str().unwrap_or_default();
        Ok(uptime.trim_end_matches('s').parse()?)
    }

    /// The audit log's line, and how long the token lives that was used.
    fn witness(&self, event: &Event) -> Result<String> {
        let jti = event.text("/user/extra/authentication.kubernetes.io~1credential-id/0");
        let minted = self.stack.audit().token_requests()?.into_iter().find(|request| {
            request.text("/annotations/authentication.kubernetes.io~1issued-credential-id")
                == jti
        });
        let life = minted.context("no TokenRequest for the token that was used")?;
        let life = life.text("/requestObject/spec/expirationSeconds");
        let (user, attributes) = (event.user(), event.attributes());
        Ok(format!("{user} {attributes} (with a token of {life} s)"))
    }

    fn title(&mut self, title: &str) {
        self.steps += 1;
        let (bold, plain) = if self.colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        println!("\n{bold}{}. {title}{plain}", self.steps);
    }

    fn show(&self, what: &str, text: &str) {
        let (dim, plain) = if self.colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        println!("{dim}{what:>10}:{plain} {text}");
    }
}

// === impl Step ===

impl Step {
    fn call(&self, sql_server: &Instance, base: &str) -> Result<Answer> {
        let url = format!("{base}{}", self.path);
        Ok(sql_server.invoke(&Call {
            method: self.method,
            payload: Some(self.payload).filter(|payload| !payload.is_empty()),
            credential: self.credential.then_some(base),
            ..Call::to(&url)
        })?)
    }

    fn tsql(&self) -> String {
        let Self { method, path, payload, credential, .. } = self;
        let mut lines = vec![
            "  EXEC @status = sp_invoke_external_rest_endpoint".to_owned(),
            format!("    @url = N'https://keyhole.example{path}',"),
            format!("    @method = '{method}',"),
        ];
        if !payload.is_empty() {
            lines.push(format!("    @payload = N'{payload}',"));
        }
        if *credential {
            lines.push("    @credential = [https://keyhole.example],".to_owned());
        }
        lines.push("    @response = @response OUTPUT;".to_owned());
        lines.join("\n")
    }

    fn check(&self, answer: &Answer, event: Option<&Event>) -> Result<()> {
        let expected = match self.expected {
            Expected::Answered(status) => {
                let event = event.context("the audit log does not know the request")?;
                ensure!(event.user() == ACCOUNT, "it arrived as {}", event.user());
                status
            }
            Expected::Refused(status) => {
                ensure!(event.is_none(), "the request reached the apiserver");
                status
            }
        };
        let code = code(answer)?;
        ensure!(code == expected, "{code} instead of {expected}");
        // As T-SQL sees it.
        let returned = if (200..300).contains(&code) { 0 } else { code };
        ensure!(answer.return_value == returned, "returned {}", answer.return_value);
        Ok(())
    }
}

/// The status, and the part of the JSON that tells most.
fn summary(answer: &Answer) -> Result<String> {
    let json: Value = serde_json::from_str(&answer.query("$.result").context("no result")?)?;
    let kind = json["kind"].as_str().unwrap_or_default();
    let part = match kind {
        "Status" => json["message"].as_str().unwrap_or_default().to_owned(),
        "PodList" => format!("PodList of {}", json["items"].as_array().map_or(0, Vec::len)),
        "Pod" => format!("Pod {}, {}", json["metadata"]["name"], json["status"]["phase"]),
        _ => format!("gitVersion {}", json["gitVersion"]),
    };
    Ok(format!("{} {part}", code(answer)?))
}

fn code(answer: &Answer) -> Result<u16> {
    let code = answer.value("$.response.status.http.code").context("no status")?;
    Ok(code.parse()?)
}

fn rule(policy: &str) -> Result<&str> {
    policy.lines().find(|line| line.contains("resources: [pods]")).context("no such rule")
}
