//! Several workers of one pod, an apiserver that does what it likes, and a wall clock
//! that jumps: whatever happens in whatever order, the promises hold.

extern crate std;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::answer::tests::{answer, with_header};
use crate::config::load_policy;
use crate::pod::shared::Unshared;
use crate::policy::key::KeyDigest;
use crate::token::tests::{created, jwt};
use crate::worker::tests::arrival;

const WORKERS: usize = 3;
const ACCOUNTS: usize = 2;
/// What `tokenWaitSeconds` is by default.
const WAIT: Duration = Duration::from_secs(8);
/// A call that was cancelled holds others up for so long.
const LOST_AFTER: Duration = Duration::from_secs(6);
/// The apiserver's clock when the steady one starts.
const START: u64 = 1_000_000;

#[derive(Clone, Debug)]
enum Step {
    Advance {
        millis: u64,
    },
    Answer {
        call: prop::sample::Index,
        reply: ServerReply,
    },
    /// A reload of the configuration: no answer, and no word of it.
    Cancel {
        call: prop::sample::Index,
    },
    Crash {
        worker: usize,
    },
    JumpWall {
        seconds: u64,
    },
    Reject {
        sent: prop::sample::Index,
    },
    Request {
        worker: usize,
        account: usize,
    },
    Tick {
        worker: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum ServerReply {
    Expired,
    Garbage,
    Good,
    Lost,
    NotFound,
    OfAnother,
    Unavailable,
}

struct PendingCall {
    worker: usize,
    account: usize,
    purpose: Purpose,
}

/// All that is true, as nobody in it knows.
struct World {
    policy: Policy,
    workers: Vec<Worker>,
    memory: Unshared,
    calls: Vec<PendingCall>,
    now: Now,
    streams: u32,
    /// By worker and stream: the account, and since when it waits.
    waiting: BTreeMap<(usize, u32), (usize, Steady)>,
    forwarded: Vec<(usize, u32, usize, Sent)>,
    resumed: BTreeSet<(usize, u32)>,
    /// By account: when a TokenRequest left that nobody answered yet.
    in_flight: BTreeMap<usize, Steady>,
}

impl World {
    fn new() -> Self {
        let now =
            Now { wall: UnixTime::from_secs(START), steady: Steady::default(), jitter: 0 };
        Self {
            policy: policy(),
            workers: (0..WORKERS).map(|_| Worker::default()).collect(),
            memory: Unshared::default(),
            calls: Vec::new(),
            now,
            streams: 0,
            waiting: BTreeMap::new(),
            forwarded: Vec::new(),
            resumed: BTreeSet::new(),
            in_flight: BTreeMap::new(),
        }
    }

    fn server(&self) -> u64 {
        START + self.now.steady.as_millis() / 1000
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Advance { millis } => {
                self.now.steady = self.now.steady.after(Duration::from_millis(millis));
                self.now.jitter = self.now.jitter.wrapping_mul(31).wrapping_add(millis);
            }
            Step::Answer { call, reply } => {
                if !self.calls.is_empty() {
                    let call = self.calls.swap_remove(call.index(self.calls.len()));
                    self.answer(call, reply);
                }
            }
            Step::Cancel { call } => {
                if !self.calls.is_empty() {
                    self.calls.swap_remove(call.index(self.calls.len()));
                }
            }
            Step::Crash { worker } => {
                self.workers[worker] = Worker::default();
                self.calls.retain(|call| call.worker != worker);
                self.waiting.retain(|(own, _), _| *own != worker);
                self.forwarded.retain(|(own, ..)| *own != worker);
            }
            Step::JumpWall { seconds } => self.now.wall = UnixTime::from_secs(seconds),
            Step::Reject { sent } => {
                if !self.forwarded.is_empty() {
                    let at = sent.index(self.forwarded.len());
                    let (worker, stream, account, sent) = self.forwarded.swap_remove(at);
                    self.reject(worker, stream, account, &sent);
                }
            }
            Step::Request { worker, account } => self.request(worker, account),
            Step::Tick { worker } => self.tick(worker),
        }
    }

    fn request(&mut self, worker: usize, account: usize) {
        self.streams += 1;
        let headers = headers(account);
        let Self { workers, policy, now, streams, .. } = self;
        let memory = &Unshared::default();
        match workers[worker].request(policy, *streams, &arrival(&headers), memory, *now) {
            None => drop(self.waiting.insert((worker, *streams), (account, now.steady))),
            Some(Verdict::Forward(forward)) => {
                let (token, sent) = (bearer(&forward.headers()), forward.sent().clone());
                self.check_token(account, &token);
                self.forwarded.push((worker, self.streams, account, sent));
            }
            Some(Verdict::Refuse(refused)) => check_refusal(&refused.refusal),
            Some(Verdict::Answer(reply)) => panic!("{reply:?}"),
        }
    }

    /// The apiserver answers 401, and the request could be sent again.
    fn reject(&mut self, worker: usize, stream: u32, account: usize, sent: &Sent) {
        let original = Original { headers: headers(account), body: Vec::new() };
        let Self { workers, policy, now, .. } = self;
        match workers[worker].unauthorized(policy, stream, sent, Some(original), *now) {
            None => drop(self.waiting.insert((worker, stream), (account, now.steady))),
            Some(Verdict::Refuse(refused)) => check_refusal(&refused.refusal),
            Some(verdict) => panic!("{verdict:?}"),
        }
    }

    fn tick(&mut self, worker: usize) {
        let Self { workers, policy, memory, now, .. } = self;
        let effects = workers[worker].tick(policy, memory, *now);
        self.carry_out(worker, effects);
        for ((own, stream), (_, since)) in &self.waiting {
            let waited = since.until(self.now.steady);
            assert!(*own != worker || waited < WAIT, "{stream} waits for {waited:?}");
        }
    }

    fn carry_out(&mut self, worker: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Call(call) => self.call(worker, call),
                Effect::Notice(notice) => assert!(!notice.to_string().contains("h.")),
                Effect::Policy(_) | Effect::PolicyRefused => panic!("it is no live policy"),
                Effect::Resume { stream, verdict } => self.resume(worker, stream, &verdict),
            }
        }
    }

    fn resume(&mut self, worker: usize, stream: u32, verdict: &Verdict<'_>) {
        let waited = self.waiting.remove(&(worker, stream));
        match verdict {
            Verdict::Answer(_) => assert!(waited.is_none()),
            Verdict::Forward(forward) => {
                let (account, _) = waited.expect("it waits");
                self.check_token(account, &bearer(&forward.headers()));
                let sent = self.workers[worker].take_sent(stream).expect("it was sent");
                self.forwarded.push((worker, stream, account, sent));
            }
            Verdict::Refuse(refused) => {
                check_refusal(&refused.refusal);
                let second = self.resumed.remove(&(worker, stream));
                assert!(waited.is_some() || second, "it waits");
            }
        }
    }

    fn call(&mut self, worker: usize, call: Call) {
        match &call.purpose {
            Purpose::Identity(_) => {
                let body = br#"{"status":{"userInfo":{"username":"gateway"}}}"#;
                self.deliver(worker, call.purpose, &answer("201", body));
            }
            Purpose::Wait { .. } => panic!("nobody waits for a condition"),
            Purpose::Resend { stream, .. } => {
                let (account, _) = self.waiting.remove(&(worker, *stream)).expect("it waits");
                let is_token = |(name, _): &&(_, String)| *name == "authorization";
                let (_, token) = call.headers.0.iter().find(is_token).expect("a token");
                self.check_token(account, token);
                self.resumed.insert((worker, *stream));
                self.deliver(worker, call.purpose, &answer("401", b""));
            }
            Purpose::Token(wanted) => {
                let account = number(&wanted.account.name);
                let lost = |since: &Steady| since.until(self.now.steady) >= LOST_AFTER;
                let alone = self.in_flight.get(&account).is_none_or(lost);
                assert!(alone, "two requests for account {account} at once");
                self.in_flight.insert(account, self.now.steady);
                self.calls.push(PendingCall { worker, account, purpose: call.purpose });
            }
            Purpose::Discovery(_) | Purpose::Keys { .. } => panic!("only claims are checked"),
            Purpose::Event | Purpose::Policy(_) => panic!("it is no live policy"),
            Purpose::IssuerKeys { .. } => panic!("its policy names no issuer"),
        }
    }

    fn answer(&mut self, call: PendingCall, reply: ServerReply) {
        self.in_flight.remove(&call.account);
        let (own, other) = (call.account, (call.account + 1) % ACCOUNTS);
        let answer = match reply {
            ServerReply::Expired => self.token(own, 1),
            ServerReply::Garbage => answer("201", b"\xff{"),
            ServerReply::Good => self.token(own, 600),
            ServerReply::Lost => Answer::None,
            ServerReply::NotFound => answer("404", br#"{"message":"gone"}"#),
            ServerReply::OfAnother => self.token(other, 600),
            ServerReply::Unavailable => answer("503", b"no"),
        };
        self.deliver(call.worker, call.purpose, &answer);
    }

    fn deliver(&mut self, worker: usize, purpose: Purpose, answer: &Answer) {
        let Self { workers, policy, memory, now, .. } = self;
        let effects = workers[worker].answered(policy, purpose, answer, memory, *now);
        self.carry_out(worker, effects);
    }

    fn token(&self, account: usize, life: u64) -> Answer {
        let (iat, exp) = (self.server(), self.server() + life);
        let claims = format!(
            r#"{{"sub":"system:serviceaccount:n:a{account}","aud":["api"],"iat":{iat},"nbf":{iat},"exp":{exp}}}"#
        );
        let date = jiff::Timestamp::from_second(i64::try_from(iat).unwrap()).unwrap();
        let date =
            jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date);
        with_header(created(&jwt(&claims)), "date", &date.unwrap())
    }

    /// It is the account's own, and valid by the apiserver's clock.
    fn check_token(&self, account: usize, bearer: &str) {
        use base64ct::{Base64UrlUnpadded, Encoding};
        let payload = bearer.split('.').nth(1).unwrap();
        let payload = Base64UrlUnpadded::decode_vec(payload).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(claims["sub"], format!("system:serviceaccount:n:a{account}"));
        assert!(claims["exp"].as_u64().unwrap() > self.server(), "an expired token was sent");
    }

    /// Once the apiserver is well again, so is the gateway.
    fn heal(mut self) {
        for _ in 0..100 {
            self.take(Step::Advance { millis: 2000 });
            (0..WORKERS).for_each(|worker| self.tick(worker));
            while let Some(call) = self.calls.pop() {
                self.answer(call, ServerReply::Good);
            }
        }
        assert_eq!(self.waiting.len(), 0);
        for (worker, account) in (0..WORKERS).flat_map(|w| (0..ACCOUNTS).map(move |a| (w, a))) {
            let before = self.forwarded.len();
            self.request(worker, account);
            self.tick(worker);
            while let Some(call) = self.calls.pop() {
                self.answer(call, ServerReply::Good);
            }
            assert_eq!(self.forwarded.len(), before + 1);
        }
    }
}

fn check_refusal(refusal: &Refusal) {
    assert!(matches!(refusal.reply().code, 429 | 503), "{refusal}");
}

fn bearer(headers: &HeaderList) -> String {
    let value = headers.get("authorization").expect("a token");
    String::from_utf8(value.to_vec()).unwrap()
}

fn number(account: &str) -> usize {
    account.trim_start_matches('a').parse().unwrap()
}

fn headers(account: usize) -> HeaderList {
    let key = format!("k{account}");
    HeaderList::of(&[
        (":method", "GET"),
        (":path", "/version"),
        (":authority", "k"),
        (":scheme", "https"),
        ("x-api-key", &key),
    ])
}

fn policy() -> Policy {
    let clients = (0..ACCOUNTS).map(|n| {
        let digest = KeyDigest::of(format!("k{n}").as_bytes()).to_hex();
        format!("{{name: c{n}, keys: [{{sha256: \"{digest}\"}}], serviceAccount: {{namespace: n, name: a{n}}}, roles: [r]}}")
    });
    let clients: Vec<String> = clients.collect();
    let text = format!(
        "{{apiVersion: keyhole/v1, kind: Policy, gateway: {{tokenVerification: claimsOnly}}, clients: [{}], \
         roles: [{{name: r, rules: [{{nonResourceURLs: [/version], verbs: [get]}}]}}]}}",
        clients.join(", ")
    );
    load_policy(&text).unwrap_or_else(|problems| panic!("{problems:?}")).policy
}

fn reply() -> impl Strategy<Value = ServerReply> {
    prop_oneof![
        6 => Just(ServerReply::Good),
        1 => Just(ServerReply::Expired),
        1 => Just(ServerReply::Garbage),
        1 => Just(ServerReply::Lost),
        1 => Just(ServerReply::NotFound),
        1 => Just(ServerReply::OfAnother),
        1 => Just(ServerReply::Unavailable),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let any_of = any::<prop::sample::Index>;
    prop_oneof![
        4 => prop_oneof![1_u64..100, 500_u64..10_000, 60_000_u64..700_000]
            .prop_map(|millis| Step::Advance { millis }),
        6 => (any_of(), reply()).prop_map(|(call, reply)| Step::Answer { call, reply }),
        1 => any_of().prop_map(|call| Step::Cancel { call }),
        1 => (0..WORKERS).prop_map(|worker| Step::Crash { worker }),
        1 => (0..4 * START).prop_map(|seconds| Step::JumpWall { seconds }),
        3 => any_of().prop_map(|sent| Step::Reject { sent }),
        8 => (0..WORKERS, 0..ACCOUNTS)
            .prop_map(|(worker, account)| Step::Request { worker, account }),
        8 => (0..WORKERS).prop_map(|worker| Step::Tick { worker }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn whatever_happens_tokens_are_right_and_asked_for_once(
        steps in prop::collection::vec(step(), 1..150)
    ) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.heal();
    }
}
