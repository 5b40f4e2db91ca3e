//! A bounded load of ordinary requests, each judged by its answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::accounts::Caller;
use crate::client::Response;
use crate::stack::Stack;

const PODS: &str = "/api/v1/namespaces/default/pods";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const WHO_AM_I: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const WHO: &str = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;

/// So many threads, each with a pause after each request.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// Becomes a label of what is made: no two loads may share it.
    pub name: &'a str,
    pub threads: usize,
    pub pause: Duration,
    pub duration: Duration,
}

/// What became of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    Ok,
    /// A `Status` with 429, 503 or 504, in its proper form.
    Refused(u16),
    /// Any other answer.
    Wrong(String),
    /// No answer.
    Lost(String),
}

/// What became of a load.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub sent: usize,
    pub ok: usize,
    pub refused: usize,
    pub wrong: Vec<String>,
    pub lost: Vec<String>,
    /// The mutations that were sent, and those that were answered 201.
    pub mutations: usize,
    pub created: usize,
    latencies: Vec<Duration>,
}

/// What the load of one name left behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Made {
    pub objects: usize,
    /// Objects beyond the first of one request.
    pub duplicates: usize,
}

#[derive(Clone, Copy)]
enum Request {
    Pods,
    WhoAmI,
    Named,
    Generated,
}

/// One request in six makes an object.
const MIX: [Request; 12] = {
    use Request::{Generated, Named, Pods, WhoAmI};
    [Pods, WhoAmI, Pods, Named, Pods, WhoAmI, Pods, WhoAmI, Pods, Generated, Pods, WhoAmI]
};

// === impl Load ===

impl Load<'_> {
    /// Sends until the time is over, or `stop` says so; every request that was begun
    /// is waited for.
    pub fn run(&self, callers: &[Caller], stop: &AtomicBool) -> Summary {
        let end = Instant::now() + self.duration;
        thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads)
                .map(|thread| scope.spawn(move || self.one_thread(thread, callers, end, stop)))
                .collect();
            let mut summary = Summary::default();
            for thread in threads {
                summary.add(thread.join().expect("a load does not panic"));
            }
            summary
        })
    }

    fn one_thread(
        &self,
        thread: usize,
        callers: &[Caller],
        end: Instant,
        stop: &AtomicBool,
    ) -> Summary {
        let mut summary = Summary::default();
        for n in 0.. {
            if Instant::now() >= end || stop.load(Ordering::Relaxed) {
                break;
            }
            let caller = &callers[(thread + n) % callers.len()];
            let request = MIX[(thread + n / callers.len()) % MIX.len()];
            let id = format!("{}-{thread}-{n}", self.name);
            let begun = Instant::now();
            let answer = request.send(caller, self.name, &id);
            summary.count(request, request.judge(caller, &answer), &answer, begun.elapsed());
            thread::sleep(self.pause);
        }
        summary
    }
}

// === impl Request ===

impl Request {
    fn send(self, caller: &Caller, load: &str, id: &str) -> Result<Response> {
        let labels = json!({"load": load, "request": id});
        let named = |field: &str, name: String| {
            let metadata = json!({field: name, "labels": labels});
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}).to_string()
        };
        match self {
            Self::Pods => caller.client.get(PODS),
            Self::WhoAmI => caller.client.post(WHO_AM_I, WHO),
            Self::Named => caller.client.post(CONFIG_MAPS, &named("name", id.to_owned())),
            Self::Generated => {
                caller.client.post(CONFIG_MAPS, &named("generateName", format!("{id}-")))
            }
        }
    }

    fn judge(self, caller: &Caller, answer: &Result<Response>) -> Outcome {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Outcome::Lost(format!("{error:#}")),
        };
        let right = match self {
            Self::Pods => answer.status == 200 && answer.field("/kind") == "PodList",
            Self::WhoAmI => {
                let user = answer.field("/status/userInfo/username");
                answer.status == 201 && user == caller.user()
            }
            Self::Named | Self::Generated => {
                answer.status == 201 && answer.field("/kind") == "ConfigMap"
            }
        };
        if right { Outcome::Ok } else { Outcome::of_refusal(answer) }
    }

    fn mutates(self) -> bool {
        matches!(self, Self::Named | Self::Generated)
    }
}

// === impl Outcome ===

impl Outcome {
    /// Of an answer that is not what was asked for.
    pub fn of_refusal(answer: &Response) -> Self {
        let code = answer.status;
        let is_status =
            answer.field("/kind") == "Status" && answer.field("/code") == code.to_string();
        let may_retry = code != 503 || answer.header("retry-after").is_some();
        if matches!(code, 429 | 503 | 504) && is_status && may_retry {
            Self::Refused(code)
        } else {
            let body = String::from_utf8_lossy(&answer.body);
            Self::Wrong(format!("{code} {}", body.chars().take(200).collect::<String>()))
        }
    }
}

// === impl Summary ===

impl Summary {
    fn count(
        &mut self,
        request: Request,
        outcome: Outcome,
        answer: &Result<Response>,
        latency: Duration,
    ) {
        self.sent += 1;
        self.latencies.push(latency);
        if request.mutates() {
            self.mutations += 1;
            self.created += usize::from(answer.as_ref().is_ok_and(|a| a.status == 201));
        }
        match outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::Refused(_) => self.refused += 1,
            Outcome::Wrong(answer) => self.wrong.push(answer),
            Outcome::Lost(error) => self.lost.push(error),
        }
    }

    pub fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.ok += other.ok;
        self.refused += other.refused;
        self.wrong.extend(other.wrong);
        self.lost.extend(other.lost);
        self.mutations += other.mutations;
        self.created += other.created;
        self.latencies.extend(other.latencies);
    }

    /// Requests that came to nothing, whoever's fault it was.
    pub fn failed(&self) -> usize {
        self.sent - self.ok
    }

    /// The latency that so many percent of the requests did not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        let last = latencies.len().saturating_sub(1);
        latencies.get(last * percent / 100).copied().unwrap_or_default()
    }
}

// === impl Stack ===

impl Stack {
    /// What the load of this name made, as the apiserver lists it.
    pub fn made(&self, load: &str) -> Result<Made> {
        let selector = format!("load={load}");
        let listed = self.kubectl(&[
            "get",
            "configmaps",
            "-n",
            "default",
            "-l",
            &selector,
            "-o",
            "json",
        ])?;
        let listed: Value = serde_json::from_str(&listed)?;
        let objects = listed["items"].as_array().map_or(&[][..], Vec::as_slice);
        let mut requests: Vec<&Value> =
            objects.iter().map(|object| &object["metadata"]["labels"]["request"]).collect();
        requests.sort_unstable_by_key(|request| request.as_str());
        requests.dedup();
        Ok(Made { objects: objects.len(), duplicates: objects.len() - requests.len() })
    }
}
